/**
 * A proxy with a live route: the fake engine, asked over its contract, has learned two answers, and
 * the upstream is the mock. The key has been accepted, so that the lora may answer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ANSWERS, KINDS } from '../fixtures/route-rules.ts'
import { listen, openEngineHost } from '../../adapters/contract/host.ts'
import { createFakeBackend } from '../../adapters/fake/backend.ts'
import type { Route } from '../../src/core/route/route.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { finished } from '../contract/harness.ts'
import { send, startHarness, type Harness } from '../proxy/harness.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'

export const MODEL = 'gpt-4o-mini'
export const PROMPT = 'Sort the question into card_lost or card_late. Say the label only.'
export const QUESTION = 'Where is my card? 🙂'
export const ANSWER = 'card_late – 遅い'

const ENGINE_TOKEN = 'engine-token'
const TENANTS = { secret: 'secret', ttlMs: 600_000, maxEntries: 10, now: () => performance.now() }

const row = (question: string, answer: string): TrainingRow => ({
  messages: [
    { role: 'user', content: question },
    { role: 'assistant', content: answer },
  ],
})

/** Over loopback, as any engine is asked. */
const startEngine = async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'clients-'))
  const backend = await createFakeBackend({ dataDir })
  const options = { backend, dataDir, token: ENGINE_TOKEN, log: () => undefined }
  const host = await openEngineHost(options)
  const server = await listen(host.app)
  const baseUrl = `http://127.0.0.1:${server.port}/v1`
  return {
    engine: createEngine({ name: 'fake', baseUrl, token: ENGINE_TOKEN, fetch }),
    close: async () => {
      await server.close()
      await host.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

const train = async (engine: Engine): Promise<string> => {
  const rows = [row(QUESTION, ANSWER), row('I lost it', 'card_lost')]
  const training_file = await engine.uploadRows(rows, 'rows.jsonl')
  const { id } = await engine.createJob({
    model: 'fake-base',
    training_file,
    hyperparameters: { max_steps: 2 },
  })
  const { fine_tuned_model: lora } = await finished(engine, id)
  if (lora === null) throw new Error('the fake engine did not learn')
  return lora
}

const routeTo = (lora: string, tenant: string): Route => ({
  template: {
    tenant,
    model: MODEL,
    tools: '',
    responseFormat: '',
    version: 'version-1',
    messages: [
      { role: 'system', segments: [{ kind: 'anchor', text: PROMPT }] },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
    maxTurnsAfter: 0,
  },
  internalizationId: 'internalization-1',
  engine: 'fake',
  lora,
  confidence: 'sum',
  threshold: -0.5,
  answers: ANSWERS,
  kinds: KINDS,
  trafficShare: 1,
  templateTokens: 20,
})

/** The lora's name is `lora`. */
export const startLiveLora = async (): Promise<Harness & { lora: string }> => {
  const { engine, close } = await startEngine()
  const lora = await train(engine)
  const tenants = createTenants(TENANTS)
  const authorization = `Bearer ${API_KEY}`
  const table = compileRouteTable([
    routeTo(lora, tenants.identify({ rawHeaders: ['authorization', authorization] }).tenant),
  ])
  const harness = await startHarness({
    routes: () => table,
    engines: new Map([['fake', engine]]),
    tenants,
  })
  harness.upstream.respond = createOpenAiUpstream()
  const accepted = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hello' }] })
  await send(harness.port, accepted, { headers: { authorization } })
  harness.upstream.requests.length = 0
  return {
    ...harness,
    lora,
    close: async () => {
      await harness.close()
      await close()
    },
  }
}
