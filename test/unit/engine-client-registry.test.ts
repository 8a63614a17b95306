import { describe, expect, it } from 'vitest'
import { createEngineRegistry } from '../../src/engine/registry.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { AppError, type ErrorCode } from '../../src/errors.ts'
import { startTestEngine, temporaryFolder } from '../contract/harness.ts'

/** A working engine whose `models` and `stream` can be told to fail; counts what reaches it. */
const start = async () => {
  const { engine } = await startTestEngine(await temporaryFolder())
  const state = { failure: null as ErrorCode | null, calls: 0, time: 0, hold: Promise.resolve() }
  const check = async () => {
    state.calls += 1
    await state.hold
    if (state.failure) throw new AppError(state.failure, 'as told')
  }
  const flaky: Engine = {
    ...engine,
    name: 'one',
    async models() {
      await check()
      return engine.models()
    },
    async *stream(request, options) {
      await check()
      yield* engine.stream(request, options)
    },
  }
  const registry = createEngineRegistry([flaky], { retryAfterMs: 1000, now: () => state.time })
  return { registry, engine: registry.get('one'), state }
}

const REQUEST = { model: 'fake-base', messages: [{ role: 'user', content: 'hello there' }] }

const drain = async (engine: Engine) => {
  const texts: string[] = []
  for await (const { text } of engine.stream(REQUEST)) texts.push(text)
  return texts
}

describe('engine registry', () => {
  it('knows its engines by name and refuses others', async () => {
    const { registry } = await start()
    expect(registry.names()).toEqual(['one'])
    expect(() => registry.get('two')).toThrow('no engine two')
  })

  it.each(['engine-unavailable', 'engine-timeout'] as const)(
    'answers at once for a while after %s, without asking the engine',
    async (code) => {
      const { registry, engine, state } = await start()
      state.failure = code
      await expect(engine.models()).rejects.toMatchObject({ code })
      state.failure = null
      state.time = 999
      expect(registry.isAvailable('one')).toBe(false)
      await expect(engine.models()).rejects.toMatchObject({ code: 'engine-unavailable' })
      await expect(drain(engine)).rejects.toMatchObject({ code: 'engine-unavailable' })
      expect(state.calls).toBe(1)
      state.time = 1000
      expect(registry.isAvailable('one')).toBe(true)
      expect(await engine.models()).toHaveLength(1)
      expect(await engine.models()).toHaveLength(1)
    }
  )

  it('lets one call try after the pause, and waits again when it fails', async () => {
    const { registry, engine, state } = await start()
    state.failure = 'engine-unavailable'
    await expect(engine.models()).rejects.toThrow()
    state.time = 1500
    let release: (() => void) | undefined
    state.hold = new Promise((resolve) => {
      release = resolve
    })
    const trial = engine.models()
    expect(registry.isAvailable('one')).toBe(false)
    await expect(engine.models()).rejects.toThrow('failed a moment ago')
    release!()
    await expect(trial).rejects.toThrow('as told')
    expect(state.calls).toBe(2)
    state.time = 2499
    expect(registry.isAvailable('one')).toBe(false)
    state.time = 2500
    expect(registry.isAvailable('one')).toBe(true)
  })

  it('does not hold the caller’s own mistakes against the engine', async () => {
    const { registry, engine, state } = await start()
    for (const code of ['invalid-request', 'not-found', 'client-closed'] as const) {
      state.failure = code
      await expect(engine.models()).rejects.toMatchObject({ code })
      expect(registry.isAvailable('one')).toBe(true)
    }
  })

  it('counts a stream that breaks, and one that its reader leaves as neither good nor bad', async () => {
    const { registry, engine, state } = await start()
    for await (const { text } of engine.stream(REQUEST)) {
      expect(text).toBe('You')
      break
    }
    expect(registry.isAvailable('one')).toBe(true)
    state.failure = 'engine-unavailable'
    await expect(drain(engine)).rejects.toThrow('as told')
    expect(registry.isAvailable('one')).toBe(false)
    state.failure = null
    state.time = 1000
    expect((await drain(engine)).join('')).toBe('You said: hello there')
    expect(registry.isAvailable('one')).toBe(true)
  })
})
