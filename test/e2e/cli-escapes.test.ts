/** Text of others reaches a terminal with its control characters shown, by every verb: none of it runs there. */
import { reasonOf, saidBy } from '../../src/core/reason.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { batchOf } from '../../src/core/log/exchange-batch.ts'
import { endOfCli } from '../kit/process/built.ts'
import { exampleEvidenceFile } from '../kit/records/facts.ts'
import { exampleInternalization, exampleRecord, exampleTemplate } from '../kit/records/examples.ts'
import { openStore } from '../kit/store/local-store.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

/** Sets the title, paints by a C1 control, turns the writing direction, and forges a line. */
const EVIL = 'gpt\u001b]0;title\u0007\u009b31m\u202e\u2066\u200f\rforged\u007f\u0085end'
/** Of a table, a line break forges a row, too. */
const FAILED = reasonOf('error', { code: 'internal', message: EVIL })
const NAME = `${EVIL}\nforged row`
const TEMPLATE = {
  ...exampleTemplate('0123456789abcdef'.repeat(2)),
  model: NAME,
  messages: exampleTemplate('a').messages.map((message) => ({
    ...message,
    segments: message.segments.map((segment) =>
      segment.kind === 'anchor' ? { ...segment, text: `${segment.text}${EVIL}` } : segment
    ),
  })),
}
const RECORD = exampleRecord(1, { model: NAME, path: `/v1/${NAME}` })

const folder = sharedFolder()
const DATA_DIR = join(folder, 'data')
const LOG = join(folder, 'log.jsonl')
const PROOF_FILE = join(folder, 'proof.json')

beforeAll(async () => {
  const store = await openStore({ dataDir: DATA_DIR })
  await store.templates.upsert([TEMPLATE])
  await store.templates.label(TEMPLATE.version, NAME)
  await store.records.append(batchOf([RECORD]))
  await store.records.tagTemplate([RECORD.id], TEMPLATE.version)
  for (const name of ['rejected', 'failed'] as const)
    await store.internalizations.create(
      exampleInternalization(name, {
        templateVersion: TEMPLATE.version,
        state: { name, reason: name === 'failed' ? FAILED : saidBy(EVIL) },
      })
    )
  await store.close()
  const bad = JSON.stringify({ [EVIL]: 1 })
  const good = { model: NAME, messages: [{ role: 'user', content: EVIL }, { role: 'assistant', content: EVIL }] } // prettier-ignore
  writeFileSync(LOG, `${bad}\n{"broken ${EVIL}\n${JSON.stringify(good)}\n`)
  const file = exampleEvidenceFile()
  const decision = { ...file.decision, [EVIL]: 1, responseType: EVIL }
  writeFileSync(PROOF_FILE, JSON.stringify({ ...file, decision }))
})

/** What the command writes to both streams. */
const printed = async (words: string[]): Promise<string> => {
  const env = { DATA_DIR, OPENAI_API_KEY: 'sk-own', NODE_ENV: 'test' }
  const { stdout, stderr } = await endOfCli(env, words)
  return stdout + stderr
}

const VERBS: string[][] = [
  ['status'],
  ['status', '--json'],
  ['template', TEMPLATE.version],
  ['template', TEMPLATE.version, '--json'],
  ['template', TEMPLATE.version, '--name', EVIL],
  ['template', `${TEMPLATE.version}${EVIL}`, '--name', 'a'],
  [
    'template',
    TEMPLATE.version,
    '--field',
    `["${EVIL.replaceAll('\\', '\\\\')}"]`,
    '--free',
    '--why',
    EVIL,
  ],
  ['template', TEMPLATE.version, '--field', 'id', '--free', '--why', EVIL],
  ['template', TEMPLATE.version, '--examples'],
  ['records'],
  ['records', '--json'],
  ['records', RECORD.id],
  ['records', '--model', EVIL],
  ['savings'],
  ['scan', LOG],
  ['scan', `${LOG}${EVIL}`],
  ['import', LOG],
  ['verify', PROOF_FILE],
  ['proof', EVIL],
  ['watch', EVIL, '--once'],
  ['promote', EVIL],
  ['models', 'list', EVIL],
  ['models', 'pull', EVIL],
  ['keys', 'create', EVIL],
  ['keys', 'list'],
  ['keys', 'revoke', EVIL],
  ['forget', '--user', EVIL],
  [EVIL],
  ['status', `--${EVIL}`],
]

// oxlint-disable-next-line no-control-regex
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

describe('text of others', () => {
  it.each(VERBS.map((words) => ({ words })))(
    'is shown with its control characters as escapes, by command %#',
    async ({ words }) => {
      const text = await printed(words)
      expect(text).not.toBe('')
      expect(RAW.exec(text)?.[0]).toBeUndefined()
      expect(text).not.toMatch(/^forged/m)
    }
  )

  it('is the same text in JSON', async () => {
    const [record] = JSON.parse(await printed(['records', '--json'])) as { model: string }[]
    expect(record!.model).toBe(NAME)
  })
})
