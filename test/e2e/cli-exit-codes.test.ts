/** Exit codes of wrong inputs (docs/reasons.md), for every verb of the program. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { beforeAll, describe, expect, it } from 'vitest'
import { GONE_NAMES } from '../../src/gone.ts'
import { loadBuilt, runCli } from '../kit/process/built.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const withData = join(folder, 'data')
const broken = join(folder, 'broken')
const rows = join(folder, 'rows.jsonl')

interface Verb {
  name: string
  /** with valid arguments and required options */
  line: string[]
  data: 'reads' | 'creates' | 'none'
  /** an option with an invalid value */
  wrong?: string[]
}

/** A command line with ID and FILE in their places, what it does to data, and an option with an invalid value. */
const VERBS = (
  [
    ['serve', 'creates'],
    ['worker', 'creates'],
    ['scan FILE', 'none', '--days 0'],
    ['import FILE', 'creates'],
    ['models list', 'none'],
    ['models pull ID', 'none'],
    ['models check tiny.gguf', 'none'],
    ['status', 'reads'],
    ['template ID', 'reads', '--free'],
    ['template ID --field a --remove', 'reads', '--round 0'],
    ['template ID --examples', 'reads', '--limit many'],
    ['records', 'reads', '--limit 0'],
    ['watch ID', 'reads'],
    ['savings', 'reads'],
    ['internalize ID', 'reads'],
    ['promote ID', 'reads', '--share 2'],
    ['rollback ID', 'reads', '--reason '],
    ['move ID --to gpt-4o-mini', 'reads', '--requests 0'],
    ['proof ID', 'reads'],
    ['verify ID', 'none'],
    ['keys create --name x', 'creates', '--budget-usd -1'],
    ['keys list', 'reads'],
    ['keys revoke ID', 'reads'],
    ['forget --record x', 'reads'],
    [`migrate sqlite-to-postgres --from ${withData}`, 'none'],
  ] as [string, Verb['data'], string?][]
).map(([text, data, wrong]): Verb => {
  const line = text.replace('FILE', rows).split(' ')
  const isGroup = ['models', 'keys', 'migrate'].includes(line[0]!)
  const name = line.slice(0, isGroup ? 2 : 1).join(' ')
  return { name, line, data, ...(wrong !== undefined && { wrong: wrong.split(' ') }) }
})

const WITHOUT_SETTINGS = new Set(['models check', 'verify'])
const WITHOUT_JSON = new Set(['serve', 'worker'])

type Case = [words: string[], env?: Record<string, string>]

const withId = (line: string[], id: string): string[] =>
  line.map((word) => (word === 'ID' ? id : word))

/** The exit code, and a verb's command line with the input; null where the verb cannot have it. */
const INPUTS: [input: string, code: number, caseOf: (verb: Verb) => Case | null][] = [
  ['an unknown option', 2, ({ line }) => [[...line, '--no-such-option']]],
  [
    'a missing argument or required option',
    2,
    ({ name, line }) => (line.join(' ') === name || name === 'forget' ? null : [name.split(' ')]),
  ],
  ['one argument too many', 2, ({ line }) => [[...line, 'further', 'ones']]],
  ['an invalid value of an option', 2, ({ line, wrong }) => (wrong ? [[...line, ...wrong]] : null)],
  ['an unknown id', 3, ({ line }) => (line.includes('ID') ? [withId(line, 'unknown-id')] : null)],
  ['an empty id', 3, ({ line }) => (line.includes('ID') ? [withId(line, '')] : null)],
  [
    'a `DATA_DIR` without data, for commands that read data',
    3,
    ({ line, data }) => (data === 'reads' ? [line, { DATA_DIR: join(folder, 'nothing') }] : null),
  ],
  [
    'a `DATA_DIR` that cannot be written, for commands that create data',
    6,
    ({ line, data }) => (data === 'creates' ? [line, { DATA_DIR: '/proc/x/y' }] : null),
  ],
  [
    'a file in `DATA_DIR` that is not a database',
    6,
    ({ line, data }) => (data === 'none' ? null : [line, { DATA_DIR: broken }]),
  ],
  [
    'an invalid setting in the environment',
    2,
    ({ name, line }) => (WITHOUT_SETTINGS.has(name) ? null : [line, { PORT: 'eighty' }]),
  ],
]

const run = await builtCommand()

beforeAll(async () => {
  const env = { DATA_DIR: withData, ENGINE: 'fake' }
  await runCli(env, 'keys', 'create', '--name', 'first')
  await runCli({ DATA_DIR: broken }, 'keys', 'create', '--name', 'first')
  writeFileSync(join(broken, 'promptintern.sqlite'), 'not a database '.repeat(1000))
  writeFileSync(rows, '')
})

const outcomeOf = ([words, env = {}]: Case) =>
  endHere(run, { DATA_DIR: withData, ENGINE: 'fake', OPENAI_API_KEY: 'key', ...env }, words)

it.each(GONE_NAMES.verbs)('%s, which is gone, says what replaces it', async (verb) => {
  const said = `${verb} left in 0.2: `
  const { stdout, stderr, code } = await outcomeOf([[verb, 'x']])
  expect({ stdout, code }).toEqual({ stdout: '', code: 2 })
  expect(stderr).toContain(said)
  const asJson = await outcomeOf([[verb, '--json']])
  expect(JSON.parse(asJson.stdout)).toMatchObject({
    error: { message: expect.stringContaining(said) },
  })
})

it('these are the verbs of the program', async () => {
  type Program = typeof import('../../src/cli/program.ts')
  const { createProgram } = await loadBuilt<Program>('src/cli/program.ts')
  const namesOf = (command: Command): string[] =>
    command.commands.length === 0
      ? [command.name()]
      : command.commands.flatMap(namesOf).map((name) => `${command.name()} ${name}`)
  const names = (await createProgram([])).commands.flatMap(namesOf)
  expect(new Set(VERBS.map(({ name }) => name))).toEqual(new Set(names))
})

const saysOnStderr = async (given: Case, code: number): Promise<void> => {
  const { stdout, stderr, code: ended } = await outcomeOf(given)
  expect({ given, ended, stdout }).toEqual({ given, ended: code, stdout: '' })
  expect(stderr).not.toBe('')
  expect(stderr).not.toContain('    at ')
}

const isJson = async ([words, env]: Case, code: number): Promise<void> => {
  const { stdout, stderr, code: ended } = await outcomeOf([[...words, '--json'], env])
  expect({ words, ended, stderr }).toEqual({ words, ended: code, stderr: '' })
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
  expect(error.code).not.toBe('internal')
  expect(error.message).not.toBe('')
}

describe.each(INPUTS)('%s', (_input, code, caseOf) => {
  const cases = VERBS.flatMap((verb) => {
    const made = caseOf(verb)
    return made === null ? [] : [{ hasJson: !WITHOUT_JSON.has(verb.name), made }]
  })

  it('ends every command with JSON on stdout', async () => {
    for (const { made, hasJson } of cases) if (hasJson) await isJson(made, code)
  })

  // all print errors by one function, and those that write a log by another one
  it('is said on stderr without --json', async () => {
    const shown = [...cases.filter(({ hasJson }) => !hasJson), cases.find(({ hasJson }) => hasJson)]
    for (const one of shown) if (one !== undefined) await saysOnStderr(one.made, code)
    expect(cases).not.toEqual([])
  })
})

it('the address of the hub may have no secret, and is not repeated', async () => {
  const env = { HF_ENDPOINT: 'https://user:s3cret@hub.example' }
  const { stderr, code } = await outcomeOf([['models', 'pull', 'minilm'], env])
  expect(code).toBe(2)
  expect(stderr).toContain('HF_ENDPOINT: must have no user, password')
  expect(stderr).not.toContain('s3cret')
})
