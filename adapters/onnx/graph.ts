/**
 * Builds ONNX models node by node, in plain operators of opset 18 and onnxruntime's contrib
 * operators. Knows nothing of language models; the protobuf encoding is onnx-proto's.
 */
// the package is CommonJS without named exports that Node can see
import onnxProto from 'onnx-proto'
import type { onnx as Onnx } from 'onnx-proto'

const { onnx } = onnxProto

export type ElementType = 'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool'

const { DataType } = onnx.TensorProto
const DATA_TYPE: Record<ElementType, Onnx.TensorProto.DataType> = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int64: DataType.INT64,
  int32: DataType.INT32,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
}

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array

/** `float` marks a float attribute, which a whole number would otherwise make an int. */
export type AttributeValue = number | number[] | string | { float: number }

/** Place of an initializer's bytes in a file beside the model. */
export interface ExternalData {
  location: string
  offset: number
  length: number
}

const attribute = (name: string, value: AttributeValue): Onnx.IAttributeProto => {
  const { AttributeType } = onnx.AttributeProto
  if (typeof value === 'number') return { name, type: AttributeType.INT, i: value }
  if (typeof value === 'string')
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) }
  if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value }
  return { name, type: AttributeType.FLOAT, f: value.float }
}

const valueInfo = (
  name: string,
  type: ElementType,
  dims: (number | string)[]
): Onnx.IValueInfoProto => ({
  name,
  type: {
    tensorType: {
      elemType: DATA_TYPE[type],
      shape: {
        dim: dims.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })),
      },
    },
  },
})

const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** A graph under construction. Values have names; every method returns the names that it has made. */
export class GraphBuilder {
  private readonly graph: Onnx.IGraphProto
  private readonly int64Constants = new Map<string, string>()
  private names = 0

  constructor(name: string) {
    this.graph = { name, node: [], initializer: [], input: [], output: [] }
  }

  /** @param dims a string names a dimension that is known only at run time */
  input(name: string, type: ElementType, dims: (number | string)[]): string {
    this.graph.input!.push(valueInfo(name, type, dims))
    return name
  }

  /** Declares `value` as an output of the model under the name `name`. */
  output(name: string, value: string, type: ElementType, dims: (number | string)[]): void {
    this.graph.node!.push({ opType: 'Identity', input: [value], output: [name] })
    this.graph.output!.push(valueInfo(name, type, dims))
  }

  /** A constant tensor, held in the model or (with `ExternalData`) in a file beside it. */
  initializer(
    name: string,
    type: ElementType,
    dims: number[],
    data: TensorData | ExternalData
  ): string {
    const tensor: Onnx.ITensorProto = { name, dims, dataType: DATA_TYPE[type] }
    if ('location' in data) {
      tensor.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL
      tensor.externalData = Object.entries(data).map(([key, value]) => ({
        key,
        value: String(value),
      }))
    } else {
      tensor.rawData = bytesOf(data)
    }
    this.graph.initializer!.push(tensor)
    return name
  }

  /** An int64 constant; equal ones are shared. Without `dims` a vector, with `[]` a scalar. */
  int64(values: number[], dims: number[] = [values.length]): string {
    const key = `${dims.join()}:${values.join()}`
    let name = this.int64Constants.get(key)
    if (name === undefined) {
      name = this.fresh('int64')
      this.initializer(name, 'int64', dims, BigInt64Array.from(values, BigInt))
      this.int64Constants.set(key, name)
    }
    return name
  }

  /** One node with one output. */
  op(type: string, inputs: string[], attributes: Record<string, AttributeValue> = {}): string {
    return this.node('', type, inputs, attributes, [this.fresh(type)])[0]!
  }

  /** One node of onnxruntime's contrib operators (`com.microsoft`) with one output. */
  contrib(type: string, inputs: string[], attributes: Record<string, AttributeValue> = {}): string {
    return this.node('com.microsoft', type, inputs, attributes, [this.fresh(type)])[0]!
  }

  /**
   * One node with several outputs.
   * @param domain '' for ONNX, 'com.microsoft' for contrib operators
   * @param outputs how many, or one flag each: false leaves an optional output out (its name is '')
   */
  multi(
    domain: '' | 'com.microsoft',
    type: string,
    inputs: string[],
    attributes: Record<string, AttributeValue>,
    outputs: number | boolean[]
  ): string[] {
    const flags = typeof outputs === 'number' ? Array<boolean>(outputs).fill(true) : outputs
    const names = flags.map((wanted) => (wanted ? this.fresh(type) : ''))
    return this.node(domain, type, inputs, attributes, names)
  }

  /** The serialized model. */
  build(): Uint8Array {
    return onnx.ModelProto.encode({
      irVersion: 9,
      producerName: 'promptintern-proxy',
      opsetImport: [
        { domain: '', version: 18 },
        { domain: 'com.microsoft', version: 1 },
      ],
      graph: this.graph,
    }).finish()
  }

  private fresh(hint: string): string {
    return `${hint}_${this.names++}`
  }

  private node(
    domain: string,
    type: string,
    inputs: string[],
    attributes: Record<string, AttributeValue>,
    outputs: string[]
  ): string[] {
    this.graph.node!.push({
      domain,
      opType: type,
      name: outputs.find(Boolean) ?? '',
      input: inputs,
      output: outputs,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    })
    return outputs
  }
}
