/** The holder of `ADMIN_READ_TOKEN` at every route of the API and the page, over a log with marks. */
import { reasonOf } from '../../src/core/reason.ts'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import type { AnswerRules } from '../../src/core/answer/answer-rules.ts'
import type { RoutePart } from '../../src/core/route/parts.ts'
import type { Examples, Slot, Template } from '../../src/core/template/template.ts'
import { saveDecisionFacts } from '../../src/lifecycle/proof-file.ts'
import { saveRolloutReport } from '../../src/lifecycle/rollout-report.ts'
import { answerBody } from '../kit/records/completion.ts'
import { exampleFacts } from '../kit/records/facts.ts'
import {
  exampleApproved,
  exampleEvaluation,
  exampleOutcome,
  exampleRecord,
  exampleRoute,
  exampleTemplate,
  LIVE_STATE,
} from '../kit/records/examples.ts'
import { exampleReport } from '../kit/records/rollout.ts'
import { openPage, READ_TOKEN, TOKEN, type Page } from '../page/harness.ts'

/** Each is text of the traffic in one place. */
const MARKS = {
  question: 'MarkOfQuestion',
  answer: 'MarkOfAnswer',
  loraAnswer: 'MarkOfLoraAnswer',
  freshAnswer: 'MarkOfFreshAnswer',
  pairAnswer: 'MarkOfPairAnswer',
  secondAnswer: 'MarkOfSecondAnswer',
  comment: 'MarkOfComment',
  slotValue: 'MarkOfSlotValue',
  slice: 'MarkOfSlice',
  label: 'MarkOfLabel',
  kindValue: 'MarkOfKindValue',
  traitValue: 'MarkOfTraitValue',
  query: 'MarkOfQuery',
  pairDigest: 'MarkOfPairDigest',
  shape: 'MarkOfShape',
  field: 'MarkOfField',
  seenValue: 'MarkOfSeenValue',
  exampleDigest: 'MarkOfExampleDigest',
  seenExample: 'MarkOfSeenExample',
  seenPair: 'MarkOfSeenPair',
}

const SLICE = `plan=${MARKS.slice}`
const REASON = reasonOf('slices-worse', {
  slices: [{ slice: SLICE, agreement: 0.5, rows: 60, upstreamAgreement: 0.99 }],
})

const template = (version: string): Template => {
  const example = exampleTemplate(version)
  const [system, user] = example.messages
  const slot: Slot = {
    kind: 'slot',
    name: 'plan',
    type: 'enum',
    values: ['pro', MARKS.slotValue],
    maxChars: 20,
    multiline: false,
    kept: true,
  }
  const dropped: Slot = {
    kind: 'slot',
    name: 'day',
    type: 'short',
    maxChars: 20,
    multiline: false,
    kept: false,
    shapes: [MARKS.shape],
    test: {
      reason: 'no-effect',
      mask: null,
      probability: 0.5,
      distinct: 1,
      samples: 200,
      seen: [MARKS.seenValue],
    },
  }
  const examples: Examples = {
    kind: 'examples',
    name: 'examples',
    pool: {
      division: { start: null, labels: [], forms: [], lead: '', tail: '' },
      known: [MARKS.exampleDigest],
      seen: [MARKS.seenExample],
      maxChars: 100,
    },
  }
  const between = { kind: 'anchor', text: ' / ' } as const
  return {
    ...example,
    messages: [
      {
        ...system!,
        segments: [...system!.segments, slot, between, dropped, between, examples],
      },
      user!,
    ],
    knownPairs: [MARKS.pairDigest],
    seenPairs: [MARKS.seenPair],
  }
}

const PARTS: RoutePart[] = [
  { kind: 'answer', name: MARKS.label, share: 0.5 },
  { kind: 'request', name: `plan=${MARKS.kindValue}`, share: 0.5 },
]

const proven = (id: string, templateVersion: string) => {
  const example = exampleApproved(id, { templateVersion })
  const [first, second] = example.verdict!.arms
  const slice = {
    slice: SLICE,
    rows: 60,
    agreement: 0.5,
    lowerBound: 0.4,
    upstreamAgreement: 0.99,
    pValue: 0.001,
    holds: false,
  }
  return {
    ...example,
    plan: {
      ...example.plan!,
      holdoutRecordIds: ['record-1', 'record-2'],
      answers: {
        ...example.plan!.answers,
        labels: ['other', MARKS.label],
        form: { style: null, root: { kind: 'constant', json: JSON.stringify(MARKS.label) } },
      } satisfies AnswerRules,
      parts: PARTS,
      kinds: {
        traits: ['turn 1', `name=${MARKS.traitValue}`],
        values: ['plan=pro', `plan=${MARKS.kindValue}`],
        maxChars: 1000,
      },
    },
    verdict: {
      ...example.verdict!,
      reason: REASON,
      arms: [first!, { ...second!, slices: [slice] }],
      fields: {
        rows: 60,
        answered: 50,
        fields: [{ path: MARKS.field, rows: 2, answered: 1 }],
        others: 0,
      },
    },
  }
}

const body = (content: string): string =>
  JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content }] })

const fill = async ({ store }: Page): Promise<void> => {
  await store.templates.upsert([template('version-1'), template('version-2')])
  const records = [1, 2].map((index) =>
    exampleRecord(index, {
      path: `/v1/chat/completions?user=${MARKS.query}`,
      request: body(MARKS.question),
      response: answerBody(MARKS.answer, { id: 'c' }),
      // an audited request waits for its pair
      route: exampleOutcome({ lora: 'lora-of-arm-1', outcome: 'skipped', reason: 'audit' }),
    })
  )
  await store.records.append(batchOf(records))
  await store.records.tagTemplate(['record-1', 'record-2'], 'version-1')
  await store.internalizations.create(proven('live-1', 'version-1'))
  const [row] = await store.internalizations.list()
  const counts = { pairs: 12, losses: 12, credits: 0, capital: 12 }
  const withheld = PARTS.map(({ kind, name }) => ({ kind, name, ...counts }))
  const live = { ...LIVE_STATE, withheld }
  await store.internalizations.save({ ...row!, state: live }, 'worker', 2_000)
  await store.routes.put({
    ...exampleRoute('version-1'),
    internalizationId: 'live-1',
    lora: 'lora-of-arm-1',
    template: template('version-1'),
  })
  await store.internalizations.create(proven('rejected-1', 'version-2'))
  const rejected = (await store.internalizations.get('rejected-1'))!
  const state = { name: 'rejected', reason: REASON } as const
  await store.internalizations.save({ ...rejected, state }, 'worker', 2_000)
  await store.internalizations.addEvaluations(
    ['record-1', 'record-2'].map((recordId) =>
      exampleEvaluation(recordId, {
        internalizationId: 'live-1',
        arm: 1,
        answer: MARKS.loraAnswer,
        upstreamAnswer: MARKS.freshAnswer,
      })
    )
  )
  await store.pairs.judge([
    {
      recordId: 'record-1',
      outcome: 'upstream-differs',
      reason: null,
      conversation: 'c-1',
      answer: MARKS.pairAnswer,
      parts: [0],
      isEqual: false,
      confidence: -0.1,
      upstreamAnswer: MARKS.secondAnswer,
      chars: 10,
      isNewLabel: true,
      upstreamModel: null,
      costUsd: null,
    },
  ])
  const comment = { rating: 'bad', comment: MARKS.comment, at: 3_000 } as const
  await store.feedback.put({ recordId: 'record-1', by: 'application', ...comment }, null)
  await saveRolloutReport(store, 'live-1', exampleReport())
  const facts = exampleFacts()
  const known = facts.records.map((record) => ({ ...record, slices: ['turn 1', SLICE] }))
  await saveDecisionFacts(store, 'live-1', { ...facts, records: known })
}

let page: Page

beforeAll(async () => {
  page = await openPage()
  await fill(page)
})

afterAll(() => page.close())

/** All that the token may do. */
const OPEN = [
  'GET /admin',
  'GET /admin/templates',
  'GET /admin/live',
  'POST /admin/sign-out',
  'GET /admin/api/status',
  'GET /admin/api/savings',
  'GET /admin/api/templates',
]

/** What needs no token. */
const isPublic = (path: string): boolean =>
  path.startsWith('/admin/assets') || path === '/admin/sign-in'

/** The paths that a template of a path stands for. */
const filled = (path: string): string[] =>
  ['live-1', 'rejected-1'].map((id, at) =>
    path
      .replace(/:place.*/, '1/a.txt')
      .replace(/(records\/):id|\{id\}|:record/, (_name, before = '') => `${before}record-${at + 1}`)
      .replace(/:version|:template/, `version-${at + 1}`)
      .replace(/:other\w*/, `version-${2 - at}`)
      .replace(/:id/, id)
  )

const QUERIES: Record<string, string[]> = {
  '/admin': ['?savings=1', '?period=month'],
  '/admin/api/records': ['?limit=5', '?template=version-1&bodies=true'],
  '/admin/api/internalizations/:id/pairs': ['?revealed=true'],
  '/admin/records': ['?template=version-1'],
  '/admin/templates': ['?text=plan', `?text=${MARKS.slotValue.slice(0, 4)}`, '?economics=1'],
  '/admin/templates/:version': ['?economics=1'],
  '/admin/internalizations/:id': ['?arm=1'],
}

interface Reached {
  route: string
  address: string
  status: number
  text: string
}

/** Every route of the page and the API, asked with a token; a stream of events is not read. */
const walk = async (token: string, methods: readonly string[]): Promise<Reached[]> => {
  const reached: Reached[] = []
  await page.signIn(token)
  for (const { method, path } of page.routes) {
    if (isPublic(path) || !methods.includes(method)) continue
    for (const query of ['', ...(QUERIES[path] ?? [])])
      for (const address of new Set(filled(path + query))) {
        const headers: Record<string, string> = address.startsWith('/admin/api')
          ? { authorization: `Bearer ${token}` }
          : { origin: 'http://localhost' }
        const response = await page.request(address, { method, headers })
        const isStream = path === '/admin/live' && response.status === 200
        const text = isStream ? '' : await response.text()
        if (isStream) await response.body!.cancel()
        reached.push({ route: `${method} ${path}`, address, status: response.status, text })
      }
  }
  return reached
}

it('the full token sees every mark somewhere, so that the marks are where texts are', async () => {
  const read = await walk(TOKEN, ['GET'])
  expect(read.filter(({ status }) => status >= 500 || status === 403)).toEqual([])
  const shown = read.map(({ text }) => text).join('\n')
  expect(Object.values(MARKS).filter((mark) => !shown.includes(mark))).toEqual([])
})

const isRefused = ({ status, text }: Reached): boolean =>
  status === 403 && text.includes('use ADMIN_TOKEN')

it('the read-only token reaches the routes of the table alone, and no mark on them', async () => {
  const reached = await walk(READ_TOKEN, ['GET', 'POST', 'PUT', 'DELETE'])
  expect(reached.length).toBeGreaterThan(100)
  const open = new Set(reached.filter((one) => !isRefused(one)).map(({ route }) => route))
  expect([...open].sort()).toEqual([...OPEN].sort())
  for (const { route, text } of reached)
    expect([route, Object.values(MARKS).filter((mark) => text.includes(mark))]).toEqual([route, []])
  const figures = reached.find(({ address }) => address === '/admin/api/templates')!
  expect(JSON.parse(figures.text)).toMatchObject({
    data: [{ version: 'version-1', state: 'live' }, {}],
  })
})

it('the read-only token is led to nothing that it may not open', async () => {
  await page.signIn(READ_TOKEN)
  for (const path of ['/admin', '/admin/templates']) {
    const links = [...(await page.view(path)).matchAll(/href="(\/admin[^"?]*)/g)].map(
      ([, to]) => to!
    )
    for (const link of new Set(links))
      expect([link, (await page.request(link)).status]).toEqual([link, 200])
  }
})
