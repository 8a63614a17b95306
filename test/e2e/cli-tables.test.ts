/** What the commands print for people fits 80 columns, also with long names and long reasons. */
import { saidBy } from '../../src/core/reason.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import type { EvaluationRow } from '../../src/store/store.ts'
import { builtCommand, endHere } from '../kit/whole/command-here.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleInternalization,
  exampleRecord,
  exampleTemplate,
} from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const COLUMNS = 80
const LONG =
  'a reason that goes on and on, names figures and slices, and does not end soon; '.repeat(4)
const TEMPLATE = { ...exampleTemplate('0123456789abcdef'.repeat(2)), model: 'a-model/'.repeat(12) }
const APPROVED = exampleApproved('7b0fbb0e-6b53-4b6e-9d0f-0a1d8a5a9c11', {
  templateVersion: TEMPLATE.version,
  createdAt: 2_000,
})

const OF_WINNER = { internalizationId: APPROVED.id, arm: 1 }

const OTHER_TEMPLATE = { ...exampleTemplate('fedcba9876543210'.repeat(2)), tools: 'x' }
const MISTAKES: [recordId: string, row: Partial<EvaluationRow>][] = [
  ['record-1', { agrees: true, logprobMin: -0.01 }],
  ['record-2', { agrees: false, logprobMin: -0.1 }],
  ['record-3', { agrees: false, logprobMin: -0.05, deferred: 'kind-not-proven' }],
  ['record-4', { agrees: false, logprobMin: -0.3 }],
]
const waiting = exampleApproved('8c0fbb0e-6b53-4b6e-9d0f-0a1d8a5a9c11', {
  templateVersion: OTHER_TEMPLATE.version,
})
const OTHER: Internalization = {
  ...waiting,
  plan: {
    ...waiting.plan!,
    holdoutRecordIds: MISTAKES.map(([recordId]) => recordId),
    form: {
      explained: 0.96,
      fields: [],
      unexplained: ['record-deleted', 'record-1', 'record-2', 'record-3', 'record-4'],
    },
  },
}

const folder = sharedFolder()
const DATA_DIR = join(folder, 'data')

const command = await builtCommand()

beforeAll(async () => {
  const store = await openStore({ dataDir: DATA_DIR })
  await store.templates.upsert([TEMPLATE, OTHER_TEMPLATE])
  await store.templates.label(TEMPLATE.version, 'a long label '.repeat(4))
  const records = Array.from({ length: 6 }, (_, index) =>
    exampleRecord(index + 1, { model: TEMPLATE.model, path: `/v1/${'long/'.repeat(30)}` })
  )
  await store.records.append(batchOf(records))
  await store.records.tagTemplate(
    records.map(({ id }) => id),
    TEMPLATE.version
  )
  for (const row of [
    exampleInternalization('rejected', {
      templateVersion: TEMPLATE.version,
      state: { name: 'rejected', reason: saidBy(LONG) },
    }),
    exampleInternalization('failed', {
      templateVersion: TEMPLATE.version,
      state: { name: 'failed', reason: saidBy(LONG) },
    }),
    APPROVED,
    OTHER,
  ])
    await store.internalizations.create(row)
  await store.internalizations.addEvaluations([
    exampleEvaluation('record-3', { ...OF_WINNER, answer: LONG }),
    exampleEvaluation('record-4', { ...OF_WINNER, deferred: 'tool-call' }),
    ...MISTAKES.map(([recordId, row]) =>
      exampleEvaluation(recordId, { internalizationId: OTHER.id, arm: 1, ...row })
    ),
  ])
  await store.close()
  writeFileSync(join(folder, 'rows.jsonl'), '')
})

const print = async (words: string[]): Promise<{ code: number; text: string; error: string }> => {
  const ended = await endHere(command, { DATA_DIR, OPENAI_API_KEY: 'key' }, words)
  return { code: ended.code, text: ended.stdout, error: ended.stderr }
}

/** A word that is too long by itself stays whole, so that it can be copied. */
const isTooWide = (line: string): boolean => {
  const words = line.trim().split(/\s+/)
  return line.length > COLUMNS && words.length > 2
}

describe('template', () => {
  it('has the template, its slots and internalizations, and what to do next', async () => {
    const { text } = await print(['template', TEMPLATE.version])
    expect(text).toContain('{slot date}')
    expect(text).toMatch(/^internalization +7b0fbb0e\nexchanges +4$/m)
    expect(text).toContain('promptintern promote 01234567')
    expect(text).not.toContain(TEMPLATE.version)
    expect(text).not.toContain(APPROVED.id)
  })

  it('has the form of the answers, and three that it does not reproduce, from the log', async () => {
    const { text } = await print(['template', OTHER_TEMPLATE.version])
    const at = text.indexOf('the form of its answers, which reproduces 96.0 % of them:')
    const answers = [...text.slice(at).matchAll(/^ {4}answer: (\w+)$/gm)].map(
      ([, answer]) => answer
    )
    expect(answers).toEqual(['intent_1', 'intent_2', 'intent_3'])
  })
})

describe('examples', () => {
  it('has both answers of a held-out row, and whether the route would give it', async () => {
    const { text } = await print(['template', APPROVED.id, '--examples', '--json'])
    expect(JSON.parse(text)).toMatchObject([
      { recordId: 'record-3', adaptedAnswer: LONG },
      { recordId: 'record-4', deferred: 'tool-call' },
    ])
  })

  it('begins with the surest mistake that the route could give', async () => {
    const { text } = await print(['template', '8c0fbb0e', '--examples'])
    expect(text.split('\n')[0]).toMatch(/^internalization 8c0fbb0e of template fedcba98 \(/)
    expect([...text.matchAll(/^record {5}(\S+)$/gm)].map(([, id]) => id)).toEqual([
      'record-2',
      'record-4',
      'record-3',
      'record-1',
    ])
  })
})

describe('records', () => {
  it('has the newest first, without bodies, and one with its bodies', async () => {
    const rows = JSON.parse((await print(['records', '--limit', '2', '--json'])).text) as object[]
    expect(rows).toMatchObject([{ id: 'record-6' }, { id: 'record-5' }])
    expect(rows[0]).not.toHaveProperty('request')
    const found = await print([
      'records',
      '--outcome',
      'none',
      '--conversation',
      'record-5',
      '--json',
    ])
    expect(JSON.parse(found.text)).toMatchObject([{ id: 'record-5' }])
    expect((await print(['records', '--status', '5xx'])).text).toBe('no record\n')
    expect((await print(['records', '--to', '1969-12-31'])).text).toBe('no record\n')
    expect((await print(['records', '--text', 'never asked'])).text).toBe('no record\n')
    const dated = await print(['records', '--from', '1970-01-01', '--text', 'OÙ EST', '--json'])
    expect(JSON.parse(dated.text)).toContainEqual(expect.objectContaining({ id: 'record-5' }))
    expect((await print(['records', '--from', 'yesterday'])).code).toBe(2)
    const one = JSON.parse((await print(['records', 'record-5', '--json'])).text) as object
    expect(one).toMatchObject({ id: 'record-5', request: expect.stringContaining('messages') })
  })
})

describe('fits 80 columns', () => {
  it.each([
    ['status'],
    ['template', TEMPLATE.version],
    ['template', APPROVED.id, '--examples'],
    ['records'],
    ['records', 'record-1'],
    ['savings'],
    ['keys', 'create', '--name', 'the key of a team with a long name '.repeat(2), '--models', 'a*'],
    ['keys', 'list'],
    ['forget', '--record', 'record-3', '--dry-run'],
    ['models', 'list'],
    ['import', join(folder, 'rows.jsonl')],
    ['promote', TEMPLATE.version],
    ['watch', TEMPLATE.version, '--once'],
    ['status'],
    ['promote', TEMPLATE.version, '--now'],
    ['template', TEMPLATE.version],
    ['rollback', TEMPLATE.version, '--reason', LONG.slice(0, 300)],
    ['watch', TEMPLATE.version, '--once'],
    ['--help'],
    ['import', '--help'],
  ])('%s %s', async (...words) => {
    const { code, text } = await print(words)
    expect({ code, isEmpty: text === '' }).toEqual({ code: 0, isEmpty: false })
    expect(text.split('\n').filter(isTooWide)).toEqual([])
  })
})

describe('status', () => {
  it('has one line for a template, also with a long label', async () => {
    const lines = (await print(['status'])).text.split('\n')
    expect(lines[0]).toMatch(/^template +name +requests +answered +state +pays$/)
    expect(lines[1]).toMatch(/^01234567 +a long label a.*… +\d+ +\d+ +\S/)
    expect(lines[2]).toMatch(/^fedcba98 +\S.* +\d+ +\d+ +waits for a decision +\S+$/)
    expect(lines[3]).toBe('')
  })
})

describe('a name', () => {
  it('is shown by status and template, and is replaced', async () => {
    const { text } = await print(['template', TEMPLATE.version, '--name', ' intents of a bank '])
    expect(text).toBe('template 01234567 is named intents of a bank\n')
    const status = JSON.parse((await print(['status', '--json'])).text) as object
    expect(status).toMatchObject({
      templates: [
        { version: TEMPLATE.version, label: 'intents of a bank', name: 'intents of a bank' },
        { version: OTHER_TEMPLATE.version, label: null },
      ],
    })
    for (const words of [['status'], ['template', TEMPLATE.version]])
      expect((await print(words)).text).toContain('intents of a bank')
  })
})

const field = (path: string, ...words: string[]) =>
  print(['template', TEMPLATE.version, '--field', path, ...words])

describe('rules for fields', () => {
  it('lists the rules with who set them and why, also as JSON', async () => {
    await field('items[].price', '--round', '0.01', '--why', 'cents')
    const { text } = await field('order.id', '--free', '--why', 'thrown away')
    expect(text).toMatch(/items\[\]\.price +rounded to 0\.01 +cli .*cents/)
    expect(text).toMatch(/order\.id +free +cli .*thrown away/)
    expect(text).toContain('takes effect with the next internalization')
    expect((await print(['template', TEMPLATE.version])).text).toMatch(
      /order\.id +free +cli .*thrown away/
    )
    expect((await field('reply', '--written', '--why', 'no two are equal')).text).toMatch(
      /reply +written +cli /
    )
    await field('reply', '--remove')
    expect(JSON.parse((await field('items[].price', '--remove', '--json')).text)).toEqual({
      version: TEMPLATE.version,
      fields: [
        {
          path: 'order.id',
          rule: { kind: 'free' },
          by: 'cli',
          why: 'thrown away',
          at: expect.any(Number),
        },
      ],
    })
  })

  it('refuses a path without one rule, a rule without a path, and one without a reason', async () => {
    for (const [words, said] of [
      [['id'], 'give one of --free'],
      [['id', '--free', '--set', '--why', 'x'], 'give one of --free'],
      [['id', '--set'], 'say why'],
      [['.', '--written', '--why', 'x'], 'name its path'],
      [['id..b', '--set', '--why', 'x'], 'a path has at most 200 characters'],
      [['other', '--remove'], 'has no rule for other'],
    ] as const)
      expect((await field(words[0], ...words.slice(1))).error).toContain(said)
    const { error } = await print(['template', TEMPLATE.version, '--free', '--why', 'x'])
    expect(error).toContain('a rule needs --field')
  })
})
