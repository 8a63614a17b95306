/** What a step costs on paper: counted by the trainer's own code, and by hand. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { linearShape } from '../../adapters/model/llama-config.ts'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import { missingForTrainer, TRAINER } from '../../test/kit/process/gpu-process.ts'
import {
  computedPairs,
  costOf,
  GPUS,
  RATES,
  stepSeconds,
  type CountedPass,
  type Kernel,
} from '../gpu/roofline.ts'
import { qwen3Config } from '../gpu/shapes.ts'
import { causalPairs, usefulOperations } from '../training/useful-operations.ts'

const gpu = { peak: 1000, bandwidth: 10, memoryBytes: 0 }
const pass = (kernels: Partial<Kernel>[]): CountedPass => ({
  tokens: 1,
  labels: 1,
  saved_bytes: 0,
  host_seconds: 3,
  kernels: kernels.map((own) => ({
    op: 'x',
    kind: 'other',
    is_backward: false,
    count: 1,
    flops: 0,
    bytes: 0,
    ...own,
  })),
})

describe('the roofline', () => {
  it('takes the longer of operations and bytes, kernel by kernel', () => {
    const counted = pass([
      { kind: 'product', flops: 2000, bytes: 10, count: 3 },
      { kind: 'product', flops: 100, bytes: 50, is_backward: true },
      { bytes: 20 },
    ])
    const cost = costOf(counted, 0, gpu, RATES.roofline)
    expect(cost).toMatchObject({ forwardSeconds: 8, kernelSeconds: 13 })
    const how = { gpu, rates: RATES.roofline, loraParameters: 0 }
    expect(stepSeconds(counted, cost, { ...how, recomputes: false })).toBe(16)
    expect(stepSeconds(counted, cost, { ...how, recomputes: true })).toBe(24)
  })

  it('counts attention by its mask, two and a half times as much backward', () => {
    const counted = pass([
      { kind: 'attention', bytes: 1 },
      { kind: 'attention', bytes: 1, is_backward: true },
    ])
    expect(costOf(counted, 1000, gpu, RATES.roofline).kernelSeconds).toBe(3.5)
  })

  it('takes as long as kernels are started where they are many and small', () => {
    const counted = { ...pass([{ bytes: 1e-9, count: 1_000_000 }]), host_seconds: 0 }
    const cost = costOf(counted, 0, gpu, RATES.roofline)
    const how = { gpu, rates: RATES.roofline, loraParameters: 0, recomputes: false }
    expect(stepSeconds(counted, cost, how)).toBeCloseTo(5, 3)
  })

  it('is never faster as expected than by the data sheet', () => {
    const kernels = [{ kind: 'product' as const, flops: 1e12 }, { bytes: 1e9 }]
    const [expected, best] = [RATES.expected, RATES.roofline].map(
      (rates) => costOf(pass(kernels), 0, GPUS.H100, rates).kernelSeconds
    )
    expect(expected!).toBeGreaterThan(best!)
  })
})

/** By the mask itself: blocks of 128 with a pair in them. */
const pairsByMask = (prefix: number, rows: number[]): number => {
  const owners = [...Array(prefix).fill(0), ...rows.flatMap((n, row) => Array(n).fill(row + 1))]
  const blocks = new Set<number>()
  owners.forEach((own: number, query) => {
    for (let key = 0; key <= query; key++)
      if (owners[key] === 0 || owners[key] === own)
        blocks.add(Math.floor(query / 128) * 1000 + Math.floor(key / 128))
  })
  return blocks.size * 128 ** 2
}

it.each([
  [300, [40, 50, 200, 7, 128, 90]],
  [128, [128, 128]],
  [10, Array(30).fill(29)],
])('blocks that a mask of %d shared tokens lets through are counted', (prefix, rows) => {
  expect(computedPairs(prefix, rows)).toBe(pairsByMask(prefix, rows))
})

const SHAPE = {
  vocabSize: 1000,
  hiddenSize: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 32,
  intermediateSize: 160,
  tiedEmbeddings: true,
}
const RANK = 8
const ROWS = { rows: 5, prefix: 50, prompt: 6, completion: 4 }

const missing = missingForTrainer()
describe.skipIf(missing !== null)(`the trainer's step${missing ? ` (${missing})` : ''}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'count-step-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  it('computes the products that the formula counts', () => {
    const [request, output] = [join(folder, 'request.json'), join(folder, 'counted.json')]
    const models = { tiny: qwen3Config(SHAPE) }
    writeFileSync(request, JSON.stringify({ models, rank: RANK, workloads: { few: ROWS } }))
    const script = fromRoot('bench/gpu/count_step.py')
    const { stderr } = spawnSync(TRAINER.python, [script, request, output], { encoding: 'utf8' })
    expect(stderr).toBe('')
    const { few } = JSON.parse(readFileSync(output, 'utf8')).tiny as { few: CountedPass }
    const [tokens, labels] = [50 + 5 * 9, 20]
    expect(few).toMatchObject({ tokens, labels })
    const kinds = new Map<string, number>()
    for (const { kind, is_backward: isBackward, count } of few.kernels) {
      const name = `${kind} ${isBackward}`
      kinds.set(name, (kinds.get(name) ?? 0) + count)
    }
    expect([kinds.get('attention false'), kinds.get('attention true')]).toEqual([3, 3])
    // two a layer, of queries and of keys, and the last one
    expect(kinds.get('norm false')).toBe(4 * 3 + 1)

    // padded to a whole block, and without a gradient for what the first layer reads
    const computed = 128
    const first = (['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'] as const)
      .map((linear) => linearShape(SHAPE, linear))
      .reduce((sum, { in: inputs, out: outputs }) => sum + 2 * inputs * (outputs + RANK), 0)
    const products = few.kernels.reduce((sum, { flops, count }) => sum + flops * count, 0)
    const work = { tokens: computed, labels, pairs: 0 }
    // both kinds of counting know nothing of each other
    expect(products).toBe(usefulOperations(SHAPE, RANK, work) - computed * first)
  }, 120_000)
})

it('pairs of a causal mask', () => {
  expect(causalPairs(3)).toBe(6)
})
