/** Loras in a folder that two servers with vLLM's resolver read: stand-ins in this process. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { copyLora } from '../../adapters/lora/lora-file.ts'
import { createLoraFolder, type LoraFolder } from '../../adapters/gpu/vllm/lora-folder.ts'
import type { VllmPublisher } from '../../adapters/gpu/vllm/vllm.ts'
import type { EngineBackend } from '../../adapters/host/backend.ts'
import { createStandIn, type StandInOptions } from '../kit/vllm/stand-in.ts'
import { answerOf, requestOf, TinyLoras } from '../kit/vllm/tiny-loras.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const shared = join(folder, 'shared')

interface StandInProcess {
  app: Awaited<ReturnType<typeof createStandIn>>['app']
  close(): Promise<void>
}

let tiny: TinyLoras
/** by host */
const servers = new Map<string, StandInProcess>()
const away = new Set<string>()
let calls: string[] = []
/** what `two` does wrong */
let faults: Record<string, unknown> = {}

/** With nothing in memory. */
const start = async (host: string, options: Partial<StandInOptions> = {}): Promise<void> => {
  await servers.get(host)?.close()
  const standIn = await createStandIn({
    modelPath: tiny.modelPath,
    servedName: 'tiny',
    apiKey: 'key',
    maxModelLen: tiny.model.config.maxPositions,
    maxLoraRank: 8,
    maxBatchLoras: 2,
    resolverFolder: shared,
    fingerprint: 'vllm-0.33.0-0000',
    skipsNames: false,
    fault: (name) => (host === 'two' ? faults[name] : undefined),
    note: (call) => void calls.push(`${host} ${call}`),
    tokenMs: 0,
    die: () => undefined,
    ...options,
  })
  servers.set(host, standIn)
}

const ask: typeof fetch = async (url, init) => {
  const { host } = new URL(String(url))
  if (away.has(host)) throw new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })
  return servers.get(host)!.app.request(String(url), init)
}

/** Its answers end in the middle. */
const brokenOff: typeof fetch = async (url, init) =>
  String(url).endsWith('/completions')
    ? new Response(
        new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
      )
    : ask(url, init)

const addressOf = (host: string, by = ask) => ({
  baseUrl: `http://${host}`,
  apiKey: 'key',
  fetch: by,
})

const serve = (
  options: { folder?: LoraFolder; by?: typeof fetch } = {}
): { publisher: VllmPublisher; backend: EngineBackend } =>
  tiny.servedBy(
    {
      ...addressOf('one', options.by),
      replicas: [addressOf('two', options.by)],
      incarnation: () => 0,
      requireRunning: () => undefined,
      waitRunning: async () => undefined,
      close: async () => undefined,
    },
    options.folder ?? createLoraFolder(shared)
  )

beforeAll(async () => {
  tiny = await TinyLoras.write(folder)
})
beforeEach(async () => {
  mkdirSync(shared)
  for (const host of ['one', 'two']) await start(host)
})
afterEach(() => {
  away.clear()
  faults = {}
  calls = []
  rmSync(shared, { recursive: true })
})
afterAll(async () => {
  for (const { close } of servers.values()) await close()
  tiny.close()
})

const answer = async (backend: EngineBackend, lora: string): Promise<string> =>
  (await answerOf(backend, requestOf(lora))).text

const row = {
  messages: [...requestOf('').messages, { role: 'assistant' as const, content: 'Home.' }],
}

const embeddedAnswer = async (lora: string): Promise<string> => {
  const embedded = await tiny.embedded()
  try {
    return await answer(embedded, lora)
  } finally {
    await embedded.close()
  }
}

/** As a user meets it: a 503, for which the proxy asks the upstream, until it can answer. */
const expectAnswer = (backend: EngineBackend, lora: string): Promise<void> =>
  expect
    .poll(() => answer(backend, lora).catch(String), { timeout: 10_000, interval: 200 })
    .not.toMatch(/Error/)

const refusal = (code: string, message: RegExp) => ({
  code,
  message: expect.stringMatching(message),
})

describe('a folder of loras', () => {
  it('gives a lora to servers that are told of none', async () => {
    const lora = await tiny.add(1)
    const { publisher, backend } = serve()
    await publisher.publish(lora)
    expect(calls).toEqual([`one resolve ${lora}`, `two resolve ${lora}`])
    expect(await answer(backend, lora)).toBe(await embeddedAnswer(lora))
    // the name of the base model is what vLLM passes to its resolvers, and nothing else differs
    const [own, copy] = [tiny.folderOf(lora), join(shared, lora)]
    const names = ['adapter_config.json', 'adapter_model.safetensors', 'manifest.json']
    expect(readdirSync(copy).sort()).toEqual(names)
    for (const name of names.slice(1))
      expect(readFileSync(join(copy, name)).equals(readFileSync(join(own, name)))).toBe(true)
    const configOf = (place: string) =>
      JSON.parse(readFileSync(join(place, names[0]!), 'utf8')) as object
    expect(configOf(copy)).toEqual({
      ...configOf(own),
      base_model_name_or_path: tiny.modelPath,
    })
  })

  it('waits for every address', async () => {
    const lora = await tiny.add(2)
    const { backend } = serve()
    away.add('two')
    await expect(answer(backend, lora)).rejects.toMatchObject(
      refusal('engine-unavailable', /ECONNREFUSED/)
    )
    away.clear()
    await expectAnswer(backend, lora)
  })

  it('says where a server that finds nothing should look', async () => {
    const lora = await tiny.add(3)
    await start('two', { resolverFolder: join(folder, 'another') })
    const { backend } = serve()
    await expect(answer(backend, lora)).rejects.toMatchObject(
      refusal('engine-unavailable', /two: .*does not exist.*VLLM_LORA_RESOLVER_CACHE_DIR/)
    )
    await start('two')
    await expectAnswer(backend, lora)
  })

  it('refuses servers whose base model has several paths', async () => {
    const lora = await tiny.add(4)
    const other = join(folder, 'link')
    symlinkSync(tiny.modelPath, other)
    await start('two', { modelPath: other })
    await expect(answer(serve().backend, lora)).rejects.toMatchObject(
      refusal('engine-unavailable', /link.*with the same path/)
    )
  })

  it('does not serve what one of the servers computes wrongly', async () => {
    const lora = await tiny.add(5)
    faults = { load: 'ignore' }
    await expect(serve().publisher.publish(lora)).rejects.toMatchObject(
      refusal('internal', /at two, but it changes nothing there; not served/)
    )
    expect(calls.slice(-2)).toEqual([`one unload ${lora}`, `two unload ${lora}`])
  })

  it('lets a request go whose client leaves, and a lora be deleted, while an address hangs', async () => {
    const lora = await tiny.add(40)
    let hung = 0
    const by: typeof fetch = (url, init) =>
      new URL(String(url)).host === 'two' && String(url).endsWith('/completions')
        ? new Promise((_, reject) => {
            hung++
            init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason as Error))
          })
        : ask(url, init)
    const { backend } = serve({ by })
    const client = new AbortController()
    const asked = answerOf(backend, requestOf(lora), client.signal)
    await expect.poll(() => hung).toBe(1)
    client.abort()
    await expect(asked).rejects.toMatchObject({ code: 'client-closed' })
    await backend.deleteModel(lora)
    expect(existsSync(join(shared, lora))).toBe(false)
  })

  it('is away, and computes nothing wrong, where a proof breaks off in the middle', async () => {
    const lora = await tiny.add(41)
    await expect(serve({ by: brokenOff }).backend.loss(lora, [row])).rejects.toMatchObject({
      code: 'engine-unavailable',
    })
  })

  it('proves a lora again where a server that did not prove it answers', async () => {
    const lora = await tiny.add(12)
    const { backend } = serve()
    await expectAnswer(backend, lora)
    // started again by another vLLM, which has the same lora under the same name
    await start('one', { fingerprint: 'vllm-0.34.0-0000' })
    await expect(answer(backend, lora)).rejects.toMatchObject(
      refusal('engine-unavailable', /answered by vllm-0\.34\.0-0000, which has not proved it/)
    )
    expect(await answer(backend, lora)).toBe(await embeddedAnswer(lora))
  })

  it('mends a lora of which half is gone', async () => {
    const lora = await tiny.add(7)
    const { backend } = serve()
    await expectAnswer(backend, lora)
    rmSync(join(shared, lora, 'adapter_model.safetensors'))
    await start('one')
    await expect(answer(backend, lora)).rejects.toMatchObject(
      refusal('engine-unavailable', /could not be loaded/)
    )
    await expectAnswer(backend, lora)
    expect(existsSync(join(shared, lora, 'adapter_model.safetensors'))).toBe(true)
  })

  it('loses a lora that is deleted, and every server with it', async () => {
    const lora = await tiny.add(8)
    const { backend } = serve()
    await expectAnswer(backend, lora)
    renameSync(shared, join(folder, 'unmounted'))
    await expect(backend.deleteModel(lora)).rejects.toMatchObject(
      refusal('store-unavailable', /cannot be removed from ENGINE_LORA_FOLDER.*ENOENT/)
    )
    renameSync(join(folder, 'unmounted'), shared)
    // it is there until it is gone everywhere
    expect(backend.models().map(({ id }) => id)).toContain(lora)
    calls = []
    await backend.deleteModel(lora)
    expect(readdirSync(shared)).toEqual([])
    expect(calls).toEqual([`one unload ${lora}`, `two unload ${lora}`])
    expect(existsSync(tiny.folderOf(lora))).toBe(false)
  })
})

const systemError = (code: string): NodeJS.ErrnoException =>
  Object.assign(new Error(code), { code })

describe('a folder of loras that cannot be written', () => {
  it.each(['ENOSPC', 'EROFS'])(
    'leaves requests to the upstream, and is tried again: %s',
    async (code) => {
      const lora = await tiny.add(9)
      let isBroken = true
      const copy: typeof copyLora = async (...args) => {
        if (isBroken) throw systemError(code)
        await copyLora(...args)
      }
      const { backend } = serve({ folder: createLoraFolder(shared, { copy }) })
      const refused = refusal('store-unavailable', new RegExp(`ENGINE_LORA_FOLDER: ${code}`))
      await expect(answer(backend, lora)).rejects.toMatchObject(refused)
      isBroken = false
      await expectAnswer(backend, lora)
    }
  )

  it('is no folder of this disk where the mount is not there', async () => {
    const lora = await tiny.add(10)
    const place = join(folder, 'not-mounted')
    const { backend } = serve({ folder: createLoraFolder(place) })
    await expect(answer(backend, lora)).rejects.toMatchObject(
      refusal('store-unavailable', /ENOENT/)
    )
    expect(existsSync(place)).toBe(false)
  })

  it('is not the one in which the engine keeps its own loras', async () => {
    const lora = await tiny.add(13)
    const own = tiny.folderOf(lora)
    const link = join(folder, 'own')
    symlinkSync(join(own, '..'), link)
    const { backend } = serve({ folder: createLoraFolder(link) })
    const before = readdirSync(own)
    await expect(answer(backend, lora)).rejects.toMatchObject(
      refusal('store-unavailable', /keeps its own loras there/)
    )
    expect(readdirSync(own)).toEqual(before)
  })

  it('is waited for no longer than its limit, and not written twice at a time', async () => {
    const lora = await tiny.add(11)
    let copies = 0
    let finish: (() => void) | undefined
    const slow = new Promise<void>((resolve) => (finish = resolve))
    const copy: typeof copyLora = async (...args) => {
      copies++
      await slow
      await copyLora(...args)
    }
    const place = createLoraFolder(shared, { copy, limitMs: 20 })
    const put = () => place.put(tiny.folderOf(lora), tiny.modelPath)
    for (const _ of [1, 2])
      await expect(put()).rejects.toMatchObject(refusal('store-unavailable', /within 20 ms/))
    expect(copies).toBe(1)
    // what removes it waits for what writes it
    const removing = place.remove(tiny.folderOf(lora)).catch(() => undefined)
    finish?.()
    await removing
    await expect.poll(() => readdirSync(shared)).toEqual([])
    expect(copies).toBe(1)
  })
})
