/** Exit codes of wrong inputs (docs/reasons.md), for every command, with and without `--json`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { GONE_NAMES } from '../../src/gone.ts'
import { runCli } from '../kit/process/built.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

interface Verb {
  words: string[]
  /** valid arguments and required options */
  arguments: string[]
  /** where ids stand in `arguments` */
  id?: number
  /** an option with an invalid value */
  invalidOption?: string[]
  data: 'reads' | 'creates' | 'none'
  /** in a folder without data it goes on until it is stopped */
  staysOpen?: boolean
}

const folder = sharedFolder()
const withData = join(folder, 'data')
const broken = join(folder, 'broken')
const rows = join(folder, 'rows.jsonl')

const VERBS: Verb[] = [
  { words: ['serve'], arguments: [], data: 'creates', staysOpen: true },
  { words: ['worker'], arguments: [], data: 'creates', staysOpen: true },
  { words: ['scan'], arguments: [rows], invalidOption: ['--days', '0'], data: 'none' },
  { words: ['import'], arguments: [rows], data: 'creates' },
  { words: ['status'], arguments: [], data: 'reads' },
  { words: ['template'], arguments: ['x'], id: 0, invalidOption: ['--free'], data: 'reads' },
  {
    words: ['template'],
    arguments: ['x', '--field', 'a', '--remove'],
    id: 0,
    invalidOption: ['--round', '0'],
    data: 'reads',
  },
  {
    words: ['template'],
    arguments: ['x', '--examples'],
    id: 0,
    invalidOption: ['--limit', 'many'],
    data: 'reads',
  },
  { words: ['records'], arguments: [], invalidOption: ['--limit', '0'], data: 'reads' },
  { words: ['internalize'], arguments: ['x'], id: 0, data: 'reads' },
  {
    words: ['promote'],
    arguments: ['x'],
    id: 0,
    invalidOption: ['--share', '2'],
    data: 'reads',
  },
  { words: ['watch'], arguments: ['x'], id: 0, data: 'reads' },
  { words: ['rollback'], arguments: ['x'], id: 0, invalidOption: ['--reason', ''], data: 'reads' },
  { words: ['savings'], arguments: [], data: 'reads' },
  { words: ['proof'], arguments: ['x'], id: 0, data: 'reads' },
  { words: ['verify'], arguments: [rows], id: 0, data: 'none' },
  {
    words: ['keys', 'create'],
    arguments: ['--name', 'x'],
    invalidOption: ['--budget-usd', '-1'],
    data: 'creates',
  },
  { words: ['keys', 'list'], arguments: [], data: 'reads' },
  { words: ['keys', 'revoke'], arguments: ['x'], id: 0, data: 'reads' },
  { words: ['forget'], arguments: ['--record', 'x'], data: 'reads' },
  { words: ['migrate', 'sqlite-to-postgres'], arguments: ['--from', withData], data: 'none' },
  { words: ['models', 'list'], arguments: [], data: 'none' },
  { words: ['models', 'pull'], arguments: ['x'], id: 0, data: 'none' },
  { words: ['models', 'check'], arguments: ['tiny.gguf'], data: 'none' },
]

const WITHOUT_SETTINGS = new Set(['models check', 'verify'])

interface Case {
  words: string[]
  env?: Record<string, string>
}

const EXIT_CODES = {
  'an unknown option': 2,
  'a missing argument or required option': 2,
  'one argument too many': 2,
  'an invalid value of an option': 2,
  'an unknown id': 3,
  'an empty id': 3,
  'a `DATA_DIR` without data, for commands that read data': 3,
  'a `DATA_DIR` that cannot be written, for commands that create data': 6,
  'a file in `DATA_DIR` that is not a database': 6,
  'an invalid setting in the environment': 2,
}

type Input = keyof typeof EXIT_CODES

/** The command lines with an input; null where the verb cannot have it. */
const CASES: Record<Input, (verb: Verb) => Case | null> = {
  'an unknown option': ({ words, arguments: valid }) => ({
    words: [...words, ...valid, '--no-such-option'],
  }),
  'a missing argument or required option': ({ words, arguments: valid }) =>
    valid.length === 0 || words[0] === 'forget' ? null : { words },
  'one argument too many': ({ words, arguments: valid }) => ({
    words: [...words, ...valid, 'further', 'ones'],
  }),
  'an invalid value of an option': ({ words, arguments: valid, invalidOption }) =>
    invalidOption === undefined ? null : { words: [...words, ...valid, ...invalidOption] },
  'an unknown id': ({ words, arguments: valid, id }) =>
    id === undefined ? null : { words: [...words, ...valid.with(id, 'unknown-id')] },
  'an empty id': ({ words, arguments: valid, id }) =>
    id === undefined ? null : { words: [...words, ...valid.with(id, '')] },
  'a `DATA_DIR` without data, for commands that read data': ({ words, arguments: valid, data }) =>
    data !== 'reads'
      ? null
      : { words: [...words, ...valid], env: { DATA_DIR: join(folder, 'nothing') } },
  'a `DATA_DIR` that cannot be written, for commands that create data': ({
    words,
    arguments: valid,
    data,
  }) =>
    data !== 'creates' ? null : { words: [...words, ...valid], env: { DATA_DIR: '/proc/x/y' } },
  'a file in `DATA_DIR` that is not a database': ({ words, arguments: valid, data }) =>
    data === 'none' ? null : { words: [...words, ...valid], env: { DATA_DIR: broken } },
  'an invalid setting in the environment': ({ words, arguments: valid }) =>
    WITHOUT_SETTINGS.has(words.join(' '))
      ? null
      : { words: [...words, ...valid], env: { PORT: 'eighty' } },
}

const run = await builtCommand()

beforeAll(async () => {
  const env = { DATA_DIR: withData, ENGINE: 'fake' }
  await runCli(env, 'keys', 'create', '--name', 'first')
  await runCli({ DATA_DIR: broken }, 'keys', 'create', '--name', 'first')
  writeFileSync(join(broken, 'promptintern.sqlite'), 'not a database '.repeat(1000))
  writeFileSync(rows, '')
})

const outcomeOf = ({ words, env = {} }: Case) =>
  endHere(run, { DATA_DIR: withData, ENGINE: 'fake', OPENAI_API_KEY: 'key', ...env }, words)

it.each(GONE_NAMES.verbs)('%s, which is gone, says what replaces it', async (verb) => {
  const said = `${verb} left in 0.2: `
  const { stdout, stderr, code } = await outcomeOf({ words: [verb, 'x'] })
  expect({ stdout, code }).toEqual({ stdout: '', code: 2 })
  expect(stderr).toContain(said)
  const asJson = await outcomeOf({ words: [verb, '--json'] })
  expect(JSON.parse(asJson.stdout)).toMatchObject({
    error: { message: expect.stringContaining(said) },
  })
})

describe.each(Object.entries(EXIT_CODES) as [Input, number][])('%s', (input, code) => {
  const cases = VERBS.flatMap((verb) => {
    const made = CASES[input](verb)
    return made === null ? [] : [{ name: verb.words.join(' '), ...made }]
  })

  it('is an input of some command', () => expect(cases).not.toEqual([]))

  it.each(cases)('$name: says so on stderr', async (given) => {
    const { stdout, stderr, code: ended } = await outcomeOf(given)
    expect({ ended, stdout }).toEqual({ ended: code, stdout: '' })
    expect(stderr).not.toBe('')
    expect(stderr).not.toContain('    at ')
  })

  it.each(cases)('$name --json: is JSON on stdout', async ({ words, ...given }) => {
    if (['serve', 'worker'].includes(words[0]!)) return
    const {
      stdout,
      stderr,
      code: ended,
    } = await outcomeOf({ ...given, words: [...words, '--json'] })
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
    expect({ ended, stderr }).toEqual({ ended: code, stderr: '' })
    expect(error.message).not.toBe('')
  })
})

it('the address of the hub may have no secret, and is not repeated', async () => {
  const env = { HF_ENDPOINT: 'https://user:s3cret@hub.example' }
  const { stderr, code } = await outcomeOf({ words: ['models', 'pull', 'minilm'], env })
  expect(code).toBe(2)
  expect(stderr).toContain('HF_ENDPOINT: must have no user, password')
  expect(stderr).not.toContain('s3cret')
})
