/** A task of labels with three values planted into each message: one head gives label and values. */
import { join } from 'node:path'
import type { FormRow } from '../../src/core/form/read-targets.ts'
import { day, Draw, iso, written, soleSource } from '../../test/kit/form-grammars.ts'
import { readRows, type TaskRow } from '../harness/data.ts'
import { say } from './wording.ts'

const PLANTED = [
  'It is about {amount} on {date}.',
  'The amount was {amount}, and the date {date}.',
  'This was on {date}: {amount}.',
  'On {date} it was {amount}.',
  '{amount}, {date}.',
  'I mean the {amount} of {date}.',
  'See {date}, {amount}.',
]
const CURRENCIES = [
  ['€', 'EUR'],
  ['$', 'USD'],
  ['£', 'GBP'],
] as const

const planted = (draw: Draw, { query, answer }: TaskRow): FormRow => {
  const amount = ((100 + draw.below(900_000)) / 100).toFixed(2)
  const [symbol, currency] = draw.one(CURRENCIES)
  const date = day(draw)
  const values = {
    amount: `${symbol}${amount.replace(/\B(?=(\d{3})+\.)/g, ',')}`,
    date: written(draw, date),
  }
  const said = say(draw, draw.one(PLANTED), values)
  const text = draw.chance(0.5) ? `${query} ${said}` : `${said} ${query}`
  const value = { label: answer, amount: Number(amount), currency, date: iso(date) }
  return { sources: soleSource(text), answer: JSON.stringify(value) }
}

/** @param folder with `train.jsonl` and `valid.jsonl` */
export const plantedRows = (
  folder: string,
  { train, test, seed }: { train: number; test: number; seed: number }
): { train: FormRow[]; test: FormRow[] } => {
  const draw = new Draw(seed)
  const rowsOf = (name: string, count: number): FormRow[] =>
    readRows(join(folder, name))
      .slice(0, count)
      .map((row) => planted(draw, row))
  return { train: rowsOf('train.jsonl', train), test: rowsOf('valid.jsonl', test) }
}
