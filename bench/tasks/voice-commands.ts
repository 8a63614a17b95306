/**
 * Spoken commands to an assistant, each to be turned into its intent and the slots that it states, as
 * JSON. The labels are those of the people who wrote the commands: github.com/sonos/nlu-benchmark, CC0
 * 1.0, whose authors ask to cite Coucke et al., "Snips Voice Platform: an embedded Spoken Language
 * Understanding system for private-by-design voice interfaces", 2018, arXiv 1805.10190.
 */
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskRow } from '../harness/data.ts'
import { distinct, shuffled, type SourceRows } from './source-rows.ts'

const DATA_FOLDER = '2017-06-custom-intent-engines'
const INTENTS = [
  'AddToPlaylist',
  'BookRestaurant',
  'GetWeather',
  'PlayMusic',
  'RateBook',
  'SearchCreativeWork',
  'SearchScreeningEvent',
]

/** A command is a list of pieces of its text; those with an entity are the values of slots. */
interface Piece {
  text: string
  entity?: string
}

/** The files are UTF-8, but for one line of PlayMusic, which is Latin-1. */
const readText = (path: string): string =>
  readFileSync(path, 'latin1')
    .split('\n')
    .map((line) => {
      const bytes = Buffer.from(line, 'latin1')
      return isUtf8(bytes) ? bytes.toString('utf8') : line
    })
    .join('\n')

const readCommands = (path: string, intent: string): Piece[][] => {
  const file = JSON.parse(readText(path)) as Record<string, { data: Piece[] }[]>
  return file[intent]!.map(({ data }) => data)
}

/**
 * Null where a slot occurs twice: an answer has each slot once. The members of `slots` are in
 * alphabetical order, since the order of the text would make another order the rule of each command.
 */
const rowOf = (intent: string, pieces: Piece[], id: string): TaskRow | null => {
  const slots = pieces
    .flatMap(({ text, entity }) => (entity === undefined ? [] : [[entity, text.trim()] as const]))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
  if (new Set(slots.map(([name]) => name)).size < slots.length) return null
  return {
    query: pieces
      .map(({ text }) => text)
      .join('')
      .trim(),
    answer: JSON.stringify({ intent, slots: Object.fromEntries(slots) }),
    meta: { id },
  }
}

/** Rows of all intents, null for a command with a slot twice. */
const rowsOf = (
  folder: string,
  split: 'train' | 'test',
  fileOf: (intent: string) => string
): (TaskRow | null)[] =>
  INTENTS.flatMap((intent) =>
    readCommands(join(folder, DATA_FOLDER, intent, fileOf(intent)), intent).map((pieces, place) =>
      rowOf(intent, pieces, `voice-${split}-${intent}-${place + 1}`)
    )
  )

/** @param folder a clone of the data's repository */
export const voiceCommands = (folder: string): SourceRows => {
  const test = rowsOf(folder, 'test', (intent) => `validate_${intent}.json`)
  const train = rowsOf(folder, 'train', (intent) => `train_${intent}_full.json`)
  // of twins the test row stays
  const rows = [...test, ...train].filter((row) => row !== null)
  const unlike = distinct(rows, ({ query }) => query)
  const isTest = new Set(test)
  const order = shuffled(unlike, ({ meta }) => meta.id)
  return {
    rows: order.filter((row) => !isTest.has(row)),
    testRows: order.filter((row) => isTest.has(row)),
    leftOut: {
      'have a slot twice': test.length + train.length - rows.length,
      'have a twin': rows.length - unlike.length,
    },
  }
}
