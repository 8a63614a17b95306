import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import { loadTask, renderRequest, type TaskPrefix, type TaskRow } from '../harness/data.ts'
import { debianSections } from '../tasks/debian-sections.ts'
import { distinct, splitRows } from '../tasks/source-rows.ts'
import { voiceCommands } from '../tasks/voice-commands.ts'

const folder = mkdtempSync(join(tmpdir(), 'make-task-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PLACES = ['Ashford', 'Brimley', 'Corven', 'Dunmoor', 'Elsham', 'Farrow']

/** `Play [Ruby|track]` as pieces, some of them with an entity. */
const pieces = (command: string) =>
  command
    .split(/(\[[^\]]+\])/)
    .filter((text) => text !== '')
    .map((text) => {
      const [, value, entity] = /^\[(.+)\|(\w+)\]$/.exec(text) ?? []
      return value === undefined ? { text } : { text: value, entity }
    })

const COMMANDS: Record<string, [train: string[], test: string[]]> = {
  AddToPlaylist: [PLACES.map((name) => `Add [${name}|artist] to [my|playlist_owner] mix`), []],
  BookRestaurant: [['Book a [pub|restaurant_type] type [bar|restaurant_type]'], []],
  GetWeather: [
    [...PLACES.map((city) => `Rain in [${city}|city]`), 'rain in [ashford|city]!'],
    ['Is it [cold |condition_temperature]in [Gorley|city]?\n', 'Rain, in [Brimley|city].'],
  ],
  PlayMusic: [['Play [alas y raíces|album]', 'Play [Señales|album]'], []],
  RateBook: [['Give [this|object_select] [book|object_type] a [four|rating_value]'], []],
  SearchCreativeWork: [['Find [Corven|object_name]'], []],
  SearchScreeningEvent: [['Is [Corven|movie_name] on?'], []],
}

/** Of the lines of a file one is Latin-1, as in the data. */
const bytesOf = (intent: string, commands: string[]): Buffer => {
  const file = { [intent]: commands.map((command) => ({ data: pieces(command) })) }
  const lines = JSON.stringify(file, null, 1).split('\n')
  return Buffer.concat(
    lines.map((line) => Buffer.from(`${line}\n`, line.includes('raíces') ? 'latin1' : 'utf8'))
  )
}

const writeCommands = (): string => {
  for (const [intent, [train, test]] of Object.entries(COMMANDS)) {
    const place = join(folder, '2017-06-custom-intent-engines', intent)
    mkdirSync(place, { recursive: true })
    writeFileSync(join(place, `train_${intent}_full.json`), bytesOf(intent, train))
    writeFileSync(join(place, `validate_${intent}.json`), bytesOf(intent, test))
  }
  return folder
}

const voice = voiceCommands(writeCommands())
const testRows = voice.testRows!
const row = (query: string): TaskRow | undefined =>
  [...voice.rows, ...testRows].find((one) => one.query === query)

const prefix = (ids: string[]): TaskPrefix => ({
  messages: [{ role: 'system', content: '{{examples}}' }],
  fewshot: { mode: 'static', ids, item: '{{query}}: {{answer}}' },
})

describe('voice commands', () => {
  it('are the same rows from the same source', () => {
    expect(voiceCommands(folder)).toEqual(voice)
    const ids = [...voice.rows, ...testRows].map(({ meta }) => meta.id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(row('Rain in Corven')!.meta.id).toBe('voice-train-GetWeather-3')
  })

  it('have no twin in another split, nor in their own', () => {
    const all = [...voice.rows, ...testRows]
    expect(distinct(all, ({ query }) => query)).toHaveLength(all.length)
    expect(testRows.map(({ query }) => query)).toContain('Rain, in Brimley.')
    expect(row('Rain in Brimley')).toBeUndefined()
    expect(voice.leftOut).toEqual({ 'have a slot twice': 1, 'have a twin': 2 })
  })

  it('have answers of their own words, with slots in alphabetical order', () => {
    expect(row('Is it cold in Gorley?')!.answer).toBe(
      '{"intent":"GetWeather","slots":{"city":"Gorley","condition_temperature":"cold"}}'
    )
    for (const { query, answer } of [...voice.rows, ...testRows]) {
      const { slots } = JSON.parse(answer) as { slots: Record<string, string> }
      expect(Object.values(slots).filter((value) => !query.includes(value))).toEqual([])
      expect(Object.keys(slots)).toEqual(Object.keys(slots).toSorted())
    }
  })

  it('are read where a line of the file is Latin-1', () => {
    expect(row('Play alas y raíces')!.answer).toContain('"album":"alas y raíces"')
    expect(row('Play Señales')).toBeDefined()
  })

  it('have a prompt that describes each intent', () => {
    const prompt = readFileSync(fromRoot('bench/tasks/voice-commands/prefix.json'), 'utf8')
    for (const intent of Object.keys(COMMANDS)) expect(prompt).toContain(`\\n${intent}: `)
  })
})

describe('Debian sections', () => {
  it('are those that are large enough, and a row is a package with a summary of its own', () => {
    const names = Array.from({ length: 90 }, (_, at) => `tool-${at}`)
    const listed = names.map(
      (name) => `Package: ${name}\nSection: utils\nDescription: does ${name}`
    )
    const others = [
      'Package: twin\nSection: utils\nDescription: Does tool 7.',
      'Package: lone\nSection: rare\nDescription: is alone',
    ]
    const index = join(folder, 'Packages')
    writeFileSync(index, [...listed, ...others].join('\n\n'))
    const { rows, testRows: own, leftOut } = debianSections(index)
    expect(own).toBeNull()
    expect(rows.map(({ query }) => query).toSorted()).toEqual(
      names.map((name) => `${name}: does ${name}`).toSorted()
    )
    expect(leftOut).toEqual({ 'have a twin': 1, 'are of a small section': 1 })
  })
})

describe('files of a task', () => {
  const rows = Array.from({ length: 600 }, (_, at) => ({
    query: `question ${at}`,
    answer: String(at % 3),
    meta: { id: `row-${at}` },
  }))
  const most = { rows: 40, testRows: 30 }
  const all = { rows, testRows: null, leftOut: {} }

  it('share no row, and end with the examples of the prompt', () => {
    const files = splitRows(all, prefix(['row-3']), most)
    const sizes = Object.values(files).map(({ length }) => length)
    expect(sizes).toEqual([30, 500, 41])
    expect(new Set(Object.values(files).flat()).size).toBe(571)
    expect(files['train.jsonl'].at(-1)!.meta.id).toBe('row-3')
  })

  it("take the test rows from the source's own test set", () => {
    const files = splitRows(
      { ...all, rows: rows.slice(100), testRows: rows.slice(0, 100) },
      prefix([]),
      most
    )
    expect(files['test.jsonl']).toEqual(rows.slice(0, 30))
    expect(files['valid.jsonl']).toEqual(rows.slice(100))
  })

  it('render to requests with the examples', () => {
    const task = join(folder, 'task')
    mkdirSync(task)
    const files = splitRows(all, prefix(['row-4']), most)
    writeFileSync(join(task, 'prefix.json'), JSON.stringify(prefix(['row-4'])))
    const lines = files['train.jsonl'].map((one) => `${JSON.stringify(one)}\n`)
    writeFileSync(join(task, 'train.jsonl'), lines.join(''))
    const { messages } = renderRequest(loadTask(task, undefined), files['test.jsonl'][0]!, 'm')
    expect(messages).toEqual([{ role: 'system', content: 'question 4: 1' }])
  })

  it('are refused where the source lacks an example', () => {
    expect(() => splitRows(all, prefix(['row-1', 'row-999']), most)).toThrow('1 of the 2 rows')
  })
})
