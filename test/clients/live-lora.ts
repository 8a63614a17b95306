/**
 * A proxy with a live route and the mock as its upstream. The fake engine, which is called over HTTP, has
 * learned two answers. The upstream has accepted the key, so that the lora may answer.
 */
import OpenAI from 'openai'
import { afterAll, beforeAll } from 'vitest'
import { PROMPT, ROUTE, TEMPLATE, TENANTS } from '../kit/proxy/lora-route.ts'
import { listen, openEngineHost } from '../../adapters/host/host.ts'
import { createFakeBackend } from '../../adapters/fake/backend.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { finished, row } from '../contract/harness.ts'
import { send, startHarness, type Harness } from '../kit/proxy/harness.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'

export { PROMPT }
export const MODEL = TEMPLATE.model
export const QUESTION = 'Where is my card? 🙂'
export const ANSWER = 'card_late – 遅い'

const ENGINE_TOKEN = 'engine-token'
/** longer than all calls of a slow client take together */
const TTL_MS = 600_000

/** The fake engine behind HTTP, as every engine is called. */
const startEngine = async (dataDir: string) => {
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
  if (lora === null) throw new Error('the training job of the fake engine failed')
  return lora
}

interface LiveLora extends Harness {
  lora: string
  /** the official client, with the accepted key */
  client: OpenAI
}

const startLiveLora = async (dataDir: string): Promise<LiveLora> => {
  const { engine, close } = await startEngine(dataDir)
  const lora = await train(engine)
  const table = compileRouteTable([{ ...ROUTE, engine: 'fake', lora, threshold: -0.5 }])
  const harness = await startHarness({
    routes: () => table,
    engines: new Map([['fake', engine]]),
    tenants: createTenants({ ...TENANTS, ttlMs: TTL_MS }),
  })
  harness.upstream.respond = createOpenAiUpstream()
  const accepted = JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hello' }] })
  await send(harness.port, accepted)
  harness.upstream.requests.length = 0
  return {
    ...harness,
    lora,
    client: new OpenAI({ apiKey: API_KEY, baseURL: harness.baseUrl, maxRetries: 0 }),
    close: async () => {
      await harness.close()
      await close()
    },
  }
}

/** For all tests of the file or block that calls this: its members are there when the first one begins. */
export const useLiveLora = (): LiveLora => {
  const dataDir = sharedFolder()
  const live = {} as LiveLora
  beforeAll(async () => void Object.assign(live, await startLiveLora(dataDir)))
  afterAll(() => live.close())
  return live
}
