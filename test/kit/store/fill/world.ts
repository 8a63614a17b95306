/**
 * The world that a large log is of: 50 tenants with four template versions each, a tenth of them behind live
 * routes, some rare and some that ended. Pure; knows no store.
 */
import { reasonOf, saidBy } from '../../../../src/core/reason.ts'
import { createHash } from 'node:crypto'
import type { Internalization } from '../../../../src/core/internalization/internalization.ts'
import { winningLora } from '../../../../src/core/internalization/internalization.ts'
import type { Route } from '../../../../src/core/route/route.ts'
import type { Template } from '../../../../src/core/template/template.ts'
import { seededRandom } from '../../../../src/random.ts'
import { exampleApproved, LIVE_STATE } from '../../records/examples.ts'
import { liveRoute } from '../../records/route-rules.ts'

export const TENANTS = 50
export const TEMPLATES = 200
/** the most frequent ones, behind live routes */
export const LIVE = 10
export const ENDED_AFTER_DAYS = 10
const INTERNALIZATIONS = 50
const LINES = 70
const TRAIN_ROWS = 1_500
const HELD_OUT_ROWS = 1_000
const MODELS = ['gpt-4o-mini', 'gpt-4o', 'gpt-4.1-mini'] as const

export type Random = () => number

/** As long and as random as the real ones. */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

export const tenantAt = (index: number): string => digestOf(`tenant ${index}`)

/** Of the tenant of a template; the frequent templates are of different tenants. */
export const tenantIndexOf = (template: number): number => template % TENANTS

export const versionAt = (template: number): string => digestOf(`template ${template}`).slice(0, 32)

/** Of the rarest templates: no record after the first days has one of them. */
export const ENDED_VERSIONS = Array.from({ length: 10 }, (_, index) =>
  versionAt(TEMPLATES - 1 - index)
)

export const modelOf = (tenant: number): string => MODELS[Math.min(2, tenant % 7)]!

/** Words that no compression knows. */
export const wordsOf = (random: Random, count: number): string =>
  Array.from({ length: count }, () =>
    Math.floor(random() * 36 ** 6)
      .toString(36)
      .padStart(6, '0')
  ).join(' ')

/** Some 5 KB; the two versions of a prompt differ in one line. */
export const promptAt = (template: number): string => {
  const prompt = template % (TEMPLATES / 2)
  const random = seededRandom(1 + prompt)
  const lines = Array.from({ length: LINES }, () => wordsOf(random, 10))
  return [...lines, `This is version ${Math.floor((2 * template) / TEMPLATES)}.`].join('\n')
}

export const templateAt = (index: number): Template => ({
  version: versionAt(index),
  tenant: tenantAt(tenantIndexOf(index)),
  model: modelOf(tenantIndexOf(index)),
  tools: '',
  responseFormat: '',
  maxTurnsAfter: 8,
  messages: [
    {
      role: 'system',
      segments: [
        { kind: 'anchor', text: 'Today is ' },
        {
          kind: 'slot',
          name: 'date',
          type: 'short',
          maxChars: 20,
          multiline: false,
          kept: false,
          shapes: ['0000-00-00'],
        },
        { kind: 'anchor', text: `\n${promptAt(index)}` },
      ],
    },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
})

export const loraAt = (template: number): string => `lora-${versionAt(template)}`

/** That a row may be in without a route. */
export const ENDED_STATES: Internalization['state'][] = [
  { name: 'rejected', reason: reasonOf('too-few-fresh-answers', { margin: 0.05 }) },
  {
    name: 'failed',
    reason: reasonOf('error', { code: 'engine-unavailable', message: 'the engine is away' }),
  },
  { name: 'retired', reason: saidBy('retired by a person') },
  { name: 'approval' },
]

const idsOf = (random: Random, count: number): string[] =>
  Array.from({ length: count }, () => digestOf(String(random())).slice(0, 32))

/** Those of the most frequent templates; the first ones are live. @param at milliseconds */
const internalizationAt = (index: number, at: number): Internalization => {
  const random = seededRandom(1_000 + index)
  const row = exampleApproved(`internalization-${index}`)
  const plan = row.plan!
  return {
    ...row,
    tenant: tenantAt(tenantIndexOf(index)),
    templateVersion: versionAt(index),
    state: index < LIVE ? LIVE_STATE : ENDED_STATES[index % ENDED_STATES.length]!,
    createdAt: at,
    updatedAt: at,
    plan: {
      ...plan,
      trainRecordIds: idsOf(random, TRAIN_ROWS),
      holdoutRecordIds: idsOf(random, HELD_OUT_ROWS),
      unseenRecordIds: idsOf(random, HELD_OUT_ROWS),
      arms: plan.arms.map((arm, place) => ({
        ...arm,
        results: arm.results.map((result) => ({
          ...result,
          lora: place === row.verdict!.arm ? loraAt(index) : result.lora,
        })),
      })),
    },
  }
}

export const internalizationsAt = (at: number): Internalization[] =>
  Array.from({ length: INTERNALIZATIONS }, (_, index) => internalizationAt(index, at))

export const routeOf = (row: Internalization, template: Template): Route => ({
  ...liveRoute({
    tenant: row.tenant,
    model: template.model,
    prompt: '',
    version: template.version,
    engine: 'default',
    lora: winningLora(row)!,
    templateTokens: 1_200,
  }),
  template,
  internalizationId: row.id,
})
