/**
 * One decoder layer, forward and backward. The loras are merged into their weights once per step,
 * W' = W + (alpha / rank) · B·A, so that every linear layer costs one matrix product in each
 * direction; A and B get their gradients from the layer's input and output gradient alone.
 */
import { moduleName, type LinearLayer, type LlamaConfig } from '../llama-config.ts'
import type { Attention, AttentionState } from './attention.ts'
import type { GraphOps, Norm, RotaryTables } from './graph-ops.ts'

export interface LoraMatrices {
  a: string
  b: string
}

export interface DecoderContext {
  ops: GraphOps
  config: LlamaConfig
  attention: Attention
  rotary: RotaryTables
  /** `[tokens, 1]` */
  positions: string
  /** by module name; empty for the base model alone */
  loras: Map<string, LoraMatrices>
  loraScale: number
}

interface LayerState {
  x: string
  inputNorm: Norm
  attention: AttentionState
  /** after the attention's residual */
  middle: string
  middleNorm: Norm
  gate: string
  sigmoid: string
  silu: string
  up: string
  hidden: string
}

/** A linear layer and the gradient of its output. */
interface OutputGradient {
  linear: LinearLayer
  dy: string
}

/** Gradients of the lora matrices, by module name. */
export type LoraGradients = Map<string, LoraMatrices>

export class DecoderLayer {
  private readonly context: DecoderContext
  private readonly layer: number
  private readonly merged = new Map<LinearLayer, string>()
  private state: LayerState | null = null

  constructor(context: DecoderContext, layer: number) {
    this.context = context
    this.layer = layer
  }

  /** @param x `[tokens, hidden]` */
  forward(x: string): string {
    const { ops, config, attention, rotary, positions } = this.context
    const { heads, kvHeads, headDim, rmsNormEps } = config
    const inputNorm = ops.rmsNorm(x, this.weight('input_layernorm'), rmsNormEps)
    const rotate = (y: string, count: number) =>
      ops.rotate(y, count, headDim, positions, rotary.cos, rotary.sin)
    const attended = attention.forward(
      rotate(this.linear('self_attn.q_proj', inputNorm.y), heads),
      rotate(this.linear('self_attn.k_proj', inputNorm.y), kvHeads),
      this.linear('self_attn.v_proj', inputNorm.y)
    )
    const middle = ops.add(x, this.linear('self_attn.o_proj', attended.output))
    const middleNorm = ops.rmsNorm(middle, this.weight('post_attention_layernorm'), rmsNormEps)
    const gate = this.linear('mlp.gate_proj', middleNorm.y)
    const up = this.linear('mlp.up_proj', middleNorm.y)
    const sigmoid = ops.graph.op('Sigmoid', [gate])
    const silu = ops.mul(gate, sigmoid)
    const hidden = ops.mul(silu, up)
    this.state = {
      x,
      inputNorm,
      attention: attended,
      middle,
      middleNorm,
      gate,
      sigmoid,
      silu,
      up,
      hidden,
    }
    return ops.add(middle, this.linear('mlp.down_proj', hidden))
  }

  /**
   * @param dy gradient of the layer's output, `[tokens, hidden]`
   * @param needsInput false for the first layer, whose input has no trained parts before it
   * @returns the gradient of its input
   */
  backward(dy: string, gradients: LoraGradients, needsInput: boolean): string | null {
    const { ops } = this.context
    const state = this.state!
    const dMiddle = ops.add(dy, this.mlpBackward(dy, state, gradients))
    const output: LinearLayer = 'self_attn.o_proj'
    this.loraBackward([{ linear: output, dy: dMiddle }], state.attention.output, gradients)
    const dAttended = this.inputGradient(output, dMiddle)
    const input = this.attentionBackward(dAttended, state, gradients, needsInput)
    return input === null ? null : ops.add(dMiddle, input)
  }

  private mlpBackward(dy: string, state: LayerState, gradients: LoraGradients): string {
    const { ops } = this.context
    const { middle, middleNorm, sigmoid, silu, up, hidden } = state
    this.loraBackward([{ linear: 'mlp.down_proj', dy }], hidden, gradients)
    const dHidden = this.inputGradient('mlp.down_proj', dy)
    const dUp = ops.mul(dHidden, silu)
    // silu' = σ + silu − silu · σ
    const slope = ops.add(sigmoid, ops.sub(silu, ops.mul(silu, sigmoid)))
    const dGate = ops.mul(ops.mul(dHidden, up), slope)
    const outputs: OutputGradient[] = [
      { linear: 'mlp.up_proj', dy: dUp },
      { linear: 'mlp.gate_proj', dy: dGate },
    ]
    this.loraBackward(outputs, middleNorm.y, gradients)
    const dNorm = this.inputGradients(outputs)
    const weight = this.weight('post_attention_layernorm')
    return ops.rmsNormBackward(dNorm, middle, weight, middleNorm.inverse)
  }

  private attentionBackward(
    dAttended: string,
    { x, inputNorm, attention: attended }: LayerState,
    gradients: LoraGradients,
    needsInput: boolean
  ): string | null {
    const { ops, config, attention, rotary, positions } = this.context
    const { dq, dk, dv } = attention.backward(attended, dAttended)
    const unrotate = (y: string, count: number) =>
      ops.rotate(y, count, config.headDim, positions, rotary.cos, rotary.negativeSin)
    const outputs: OutputGradient[] = [
      { linear: 'self_attn.v_proj', dy: dv },
      { linear: 'self_attn.k_proj', dy: unrotate(dk, config.kvHeads) },
      { linear: 'self_attn.q_proj', dy: unrotate(dq, config.heads) },
    ]
    this.loraBackward(outputs, inputNorm.y, gradients)
    if (!needsInput) return null
    const weight = this.weight('input_layernorm')
    return ops.rmsNormBackward(this.inputGradients(outputs), x, weight, inputNorm.inverse)
  }

  private weight(name: string): string {
    return `model.layers.${this.layer}.${name}.weight`
  }

  private linear(linear: LinearLayer, x: string): string {
    return this.context.ops.gemm(x, this.effectiveWeight(linear), { transB: true })
  }

  /** W', or W where no lora sits on the layer; `[out, in]`. */
  private effectiveWeight(linear: LinearLayer): string {
    const known = this.merged.get(linear)
    if (known !== undefined) return known
    const { ops, loras, loraScale } = this.context
    const lora = loras.get(moduleName(this.layer, linear))
    const weight = this.weight(linear)
    const merged =
      lora === undefined ? weight : ops.gemm(lora.b, lora.a, { alpha: loraScale }, weight)
    this.merged.set(linear, merged)
    return merged
  }

  /** The sum of what the layers send back to the input they share. */
  private inputGradients(outputs: OutputGradient[]): string {
    const [first, ...rest] = outputs
    return rest.reduce(
      (sum, { linear, dy }) => this.inputGradient(linear, dy, sum),
      this.inputGradient(first!.linear, first!.dy)
    )
  }

  private inputGradient(linear: LinearLayer, dy: string, more?: string): string {
    return this.context.ops.gemm(dy, this.effectiveWeight(linear), {}, more)
  }

  /**
   * dB = scale · dyᵀ (x Aᵀ), dA = scale · (dy B)ᵀ x, for layers that share their input: their thin
   * products are joined, because reading x costs more than multiplying it.
   */
  private loraBackward(outputs: OutputGradient[], x: string, gradients: LoraGradients): void {
    const { ops, loras, loraScale } = this.context
    const names = outputs.map(({ linear }) => moduleName(this.layer, linear))
    const matrices = names.map((name) => loras.get(name)!)
    const joinedA = ops.concat(
      matrices.map(({ a }) => a),
      0
    )
    const projected = ops.splitEqually(ops.gemm(x, joinedA, { transB: true }), names.length, 1)
    const dProjected = outputs.map(({ dy }, i) =>
      ops.gemm(dy, matrices[i]!.b, { alpha: loraScale })
    )
    const joinedGradient = ops.gemm(ops.concat(dProjected, 1), x, { transA: true })
    const dA = ops.splitEqually(joinedGradient, names.length, 0)
    outputs.forEach(({ dy }, i) => {
      const b = ops.gemm(dy, projected[i]!, { transA: true, alpha: loraScale })
      gradients.set(names[i]!, { a: dA[i]!, b })
    })
  }
}
