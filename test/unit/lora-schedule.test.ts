import { describe, expect, it } from 'vitest'
import { epochBatches, batchesOf, validationSample } from '../../adapters/lora/schedule.ts'

const lengths = Array.from({ length: 50 }, (_, row) => 5 + (row % 7))

describe('the schedule that a trainer is given', () => {
  it('is the order of the embedded engine, epoch after epoch', () => {
    const batches = batchesOf(lengths, { batch_size: 4, total_steps: 20 }, 3)
    const epochs = [0, 1].flatMap((epoch) => epochBatches(lengths, 4, 3, epoch))
    expect(batches).toEqual(epochs.slice(0, 20))
    expect(
      batches
        .slice(0, 13)
        .flat()
        .sort((a, b) => a - b)
    ).toEqual(lengths.map((_, row) => row))
  })

  it('is whole epochs that repeat where a job has more steps than memory', () => {
    const many = Array.from({ length: 1_000_000 }, () => 5)
    const batches = batchesOf(many, { batch_size: 500_000, total_steps: 100 }, 3)
    expect(batches).toHaveLength(8)
  })

  it('draws rows to validate by the seed', () => {
    expect(validationSample(lengths, 1)).toHaveLength(50)
    expect(validationSample(Array.from({ length: 400 }), 1)).toHaveLength(256)
  })
})
