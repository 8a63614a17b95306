/** A field head for an estimate, on a tiny encoder: its time, and what it says of a training that was cut. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  openFieldEncoder,
  type FieldEncoder,
} from '../../adapters/onnx/encoder/fields/field-encoder.ts'
import { fillForm, type FillTask } from '../../adapters/onnx/field-heads/fill-form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import type { FormRow } from '../../src/core/form/read-targets.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { soleSource } from '../kit/form-grammars.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const encoderPath = join(folder, 'tiny-bert')
let encoder: FieldEncoder

beforeAll(() => {
  writeTinyBert(encoderPath, { seed: 6 })
  encoder = openFieldEncoder(encoderPath)
})
afterAll(() => encoder.close())

const rowOf = (number: number): FormRow => {
  const isLost = number % 2 === 0
  const text = isLost ? `my card is lost , ${number} money` : `transfer the money : ${number} ?`
  const answer = JSON.stringify({ kind: isLost ? 'lost' : 'transfer', amount: String(number) })
  return { sources: soleSource(text), answer }
}

const rowsFrom = (first: number, count: number): FormRow[] =>
  Array.from({ length: count }, (_, place) => rowOf(first + place))

const taskOf = (changed: Partial<FillTask> = {}): FillTask => {
  const rows = rowsFrom(100, 200)
  return {
    form: findForm(rows)!.form,
    rows,
    asked: rowsFrom(700, 50).map(({ sources }) => sources),
    seed: 1,
    seconds: 60,
    threads: 1,
    onProgress: () => undefined,
    ...changed,
  }
}

describe('a form that is filled for an estimate', () => {
  it('is learned from three quarters of the rows, and filled for each request', async () => {
    const told: number[] = []
    const task = taskOf({ onProgress: (done) => told.push(done) })
    const { answers, rows, isCut } = await fillForm(encoder, task)
    expect({ rows, isCut, answers: answers!.length }).toEqual({
      rows: 150,
      isCut: false,
      answers: 50,
    })
    for (const { text, logprob } of answers!) {
      expect(JSON.parse(text)).toMatchObject({ amount: expect.any(String) })
      expect(logprob).toBeLessThanOrEqual(0)
    }
    const right = answers!.filter(({ text }, place) => text === rowOf(700 + place).answer)
    expect(right.length).toBeGreaterThan(25)
    expect(told.at(-1)).toBe(1)
    expect(told).toEqual(told.toSorted((a, b) => a - b))
    expect(readdirSync(folder)).toEqual(['tiny-bert'])
  })

  it('is not filled where its time ends before the head has learned anything', async () => {
    const { answers, rows, isCut, rowsPerSecond } = await fillForm(
      encoder,
      taskOf({ seconds: 0.01 })
    )
    expect({ answers, isCut }).toEqual({ answers: null, isCut: true })
    expect(rows).toBeLessThan(150)
    expect(rowsPerSecond).toBeGreaterThan(0)
  })
})
