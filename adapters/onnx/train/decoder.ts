/**
 * One decoder layer, forward and backward. Loras are not merged into the frozen weights, y = x Wᵀ +
 * scale · (x Aᵀ) Bᵀ: onnxruntime packs a constant W once, but would pack a merged W in every step.
 * Layers with the same input share one product with A, because reading x costs more than the product.
 */
import { moduleName, type LinearLayer, type LlamaConfig } from '../../model/llama-config.ts'
import type { Attention, AttentionState } from './attention.ts'
import type { GraphOps, Norm, RotaryTables } from '../gradient/graph-ops.ts'

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
  /** `P` of `linears` for each layer, `[tokens, rank]` */
  private readonly projected = new Map<LinearLayer, string>()
  /** the A of layers that share their input, one below the other, by the first of them */
  private readonly joinedA = new Map<LinearLayer, string>()
  private state: LayerState | null = null

  constructor(
    private readonly context: DecoderContext,
    private readonly layer: number
  ) {}

  /** @param x `[tokens, hidden]` */
  forward(x: string): string {
    const { ops, config, attention, rotary, positions } = this.context
    const { heads, kvHeads, headDim, rmsNormEps } = config
    const inputNorm = ops.rmsNorm(x, this.weight('input_layernorm'), rmsNormEps)
    const rotate = (y: string, count: number) =>
      ops.rotate(y, count, headDim, positions, rotary.cos, rotary.sin)
    const [q, k, v] = this.linears(
      ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
      inputNorm.y
    )
    const attended = attention.forward(rotate(q, heads), rotate(k, kvHeads), v)
    const [o] = this.linears(['self_attn.o_proj'], attended.output)
    const middle = ops.add(x, o)
    const middleNorm = ops.rmsNorm(middle, this.weight('post_attention_layernorm'), rmsNormEps)
    const [gate, up] = this.linears(['mlp.gate_proj', 'mlp.up_proj'], middleNorm.y)
    const sigmoid = ops.graph.op('Sigmoid', [gate])
    const silu = ops.mul(gate, sigmoid)
    const hidden = ops.mul(silu, up)
    this.state = {
      x,
      inputNorm,
      attention: attended,
      middle,
      middleNorm,
      sigmoid,
      silu,
      up,
      hidden,
    }
    const [down] = this.linears(['mlp.down_proj'], hidden)
    return ops.add(middle, down)
  }

  /**
   * @param dy gradient of the layer's output, `[tokens, hidden]`
   * @param needsInput false for the first layer, because nothing before it is trained
   * @returns the gradient of its input
   */
  backward(dy: string, gradients: LoraGradients, needsInput: boolean): string | null {
    const { ops } = this.context
    const state = this.state!
    const dMiddle = ops.add(dy, this.mlpBackward(dy, state, gradients))
    const dAttended = this.linearsBackward(
      [{ linear: 'self_attn.o_proj', dy: dMiddle }],
      state.attention.output,
      gradients
    )!
    const input = this.attentionBackward(dAttended, state, gradients, needsInput)
    return input === null ? null : ops.add(dMiddle, input)
  }

  private mlpBackward(dy: string, state: LayerState, gradients: LoraGradients): string {
    const { ops } = this.context
    const { middle, middleNorm, sigmoid, silu, up, hidden } = state
    const dHidden = this.linearsBackward([{ linear: 'mlp.down_proj', dy }], hidden, gradients)!
    const dUp = ops.mul(dHidden, silu)
    // silu' · up = (σ + silu · (1 − σ)) · up = hidden + σ · (up − hidden)
    const slope = ops.add(hidden, ops.mul(sigmoid, ops.sub(up, hidden)))
    const dGate = ops.mul(dHidden, slope)
    const outputs: OutputGradient[] = [
      { linear: 'mlp.gate_proj', dy: dGate },
      { linear: 'mlp.up_proj', dy: dUp },
    ]
    const dNorm = this.linearsBackward(outputs, middleNorm.y, gradients)!
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
      { linear: 'self_attn.q_proj', dy: unrotate(dq, config.heads) },
      { linear: 'self_attn.k_proj', dy: unrotate(dk, config.kvHeads) },
      { linear: 'self_attn.v_proj', dy: dv },
    ]
    const dNorm = this.linearsBackward(outputs, inputNorm.y, gradients, needsInput)
    if (dNorm === null) return null
    const weight = this.weight('input_layernorm')
    return ops.rmsNormBackward(dNorm, x, weight, inputNorm.inverse)
  }

  /** `y = x Wᵀ + P Bᵀ`, `P = scale · x Aᵀ`, of layers that share their input. */
  private linears<const L extends LinearLayer[]>(
    linears: L,
    x: string
  ): { [I in keyof L]: string } {
    const { ops, loras, loraScale } = this.context
    const outputs = linears.map((linear) => ops.gemm(x, this.weight(linear), { transB: true }))
    if (loras.size > 0) {
      const pairs = linears.map((linear) => this.lora(linear))
      const a = ops.concat(
        pairs.map((lora) => lora.a),
        0
      )
      const joined = ops.gemm(x, a, { transB: true, alpha: loraScale })
      const projected = ops.splitEqually(joined, linears.length, 1)
      linears.forEach((linear, i) => {
        // faster than the addend of Gemm, which one thread copies
        const correction = ops.gemm(projected[i]!, pairs[i]!.b, { transB: true })
        outputs[i] = ops.add(outputs[i]!, correction)
        this.projected.set(linear, projected[i]!)
      })
      this.joinedA.set(linears[0]!, a)
    }
    return outputs as { [I in keyof L]: string }
  }

  /**
   * For the layers of one call of `linears`, in its order: `dB = dyᵀ P`, `dA = Qᵀ x` and
   * `dx = Σ dy W + Q A` with `Q = scale · dy B`.
   * @returns dx, or null when it is not needed
   */
  private linearsBackward(
    outputs: OutputGradient[],
    x: string,
    gradients: LoraGradients,
    needsInput = true
  ): string | null {
    const { ops, loraScale } = this.context
    const dProjected = ops.concat(
      outputs.map(({ linear, dy }) => ops.gemm(dy, this.lora(linear).b, { alpha: loraScale })),
      1
    )
    const joinedGradient = ops.gemm(dProjected, x, { transA: true })
    const dA = ops.splitEqually(joinedGradient, outputs.length, 0)
    outputs.forEach(({ linear, dy }, i) => {
      const b = ops.gemm(dy, this.projected.get(linear)!, { transA: true })
      gradients.set(moduleName(this.layer, linear), { a: dA[i]!, b })
    })
    if (!needsInput) return null
    const correction = ops.gemm(dProjected, this.joinedA.get(outputs[0]!.linear)!)
    return outputs.reduce(
      (sum, { linear, dy }) => ops.add(sum, ops.gemm(dy, this.weight(linear))),
      correction
    )
  }

  private lora(linear: LinearLayer): LoraMatrices {
    return this.context.loras.get(moduleName(this.layer, linear))!
  }

  private weight(name: string): string {
    return `model.layers.${this.layer}.${name}.weight`
  }
}
