/** A batch's numbers with their shape, and as onnxruntime takes them. */
import { Tensor } from 'onnxruntime-node'

export interface PackedInput {
  type: 'int64' | 'float'
  data: BigInt64Array | Float32Array
  dims: number[]
}

/** A packed input as onnxruntime takes it. */
export const tensorOf = ({ type, data, dims }: PackedInput): Tensor =>
  type === 'int64'
    ? new Tensor('int64', data as BigInt64Array, dims)
    : new Tensor('float32', data as Float32Array, dims)
