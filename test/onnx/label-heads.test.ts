import { mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { EngineBackend } from '../../adapters/host/backend.ts'
import type { EngineProcess } from '../../adapters/host/start-process.ts'
import { createEngine } from '../../src/engine/client.ts'
import type { TrainingRow } from '../../src/openai/fine-tuning.ts'
import { loadBuilt } from '../kit/process/built.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { finished, row } from '../contract/harness.ts'
import { observe, trainInput } from '../kit/model/observe.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

type Heads = typeof import('../../adapters/onnx/label-heads.ts')
type Backend = typeof import('../../adapters/onnx/backend.ts')
type Onnx = typeof import('../../adapters/onnx/index.ts')
const { withEncoder } = await loadBuilt<Heads>('adapters/onnx/label-heads.ts')
const { createOnnxBackend } = await loadBuilt<Backend>('adapters/onnx/backend.ts')
const { startOnnxEngine } = await loadBuilt<Onnx>('adapters/onnx/index.ts')

const root = sharedFolder()
const modelPath = join(root, 'tiny')
const encoderPath = join(root, 'tiny-bert')
const log = () => undefined

beforeAll(() => {
  writeRandomModel(modelPath, { seed: 5 })
  writeTinyBert(encoderPath, { seed: 6 })
})

const WORDS = 'my card is lost where money transfer pin a b the new'.split(' ')

/** Different texts of six words; the first word is the label. */
const rowsOf = (count: number): TrainingRow[] =>
  Array.from({ length: count }, (_, at) => {
    const words = Array.from({ length: 6 }, (__, k) => WORDS[Math.floor(at / 12 ** k) % 12]!)
    return row(words.join(' '), words[0]!)
  })

interface Opened {
  backend: EngineBackend
  pids: number[]
}

const open = async (
  dataDir: string,
  onPid?: (pid: number, started: number) => void
): Promise<Opened> => {
  const pids: number[] = []
  const base = await createOnnxBackend({ modelPath, dataDir, threads: 1, log })
  const backend = await withEncoder(base, {
    encoderPath,
    dataDir,
    threads: 1,
    log,
    onTrainingProcess: (pid) => {
      pids.push(pid!)
      onPid?.(pid!, pids.length)
    },
  })
  onTestFinished(() => backend.close())
  return { backend, pids }
}

const input = (rows: TrainingRow[]) =>
  trainInput({
    model: 'tiny-bert',
    rows,
    method: 'label-head',
    checkpointDir: mkdtempSync(join(root, 'checkpoint-')),
  })

const freshFolder = () => mkdtempSync(join(root, 'data-'))

describe('training a head', () => {
  it('starts again when its process is killed, and makes the same head', async () => {
    const rows = rowsOf(300)
    const calm = await open(freshFolder())
    const { model: expected } = await calm.backend.train(input(rows), observe())
    const { backend } = await open(freshFolder(), (pid, started) => {
      if (started === 1) process.kill(pid, 'SIGKILL')
    })
    const seen = observe()
    const { model } = await backend.train(input(rows), seen)
    expect(model).toBe(expected)
    expect(seen.messages.join()).toMatch(/died \(SIGKILL\).*started again/)
  })

  it('stops when it is cancelled, and leaves no head', async () => {
    const dataDir = freshFolder()
    const abort = new AbortController()
    const { backend, pids } = await open(dataDir)
    const training = backend.train(input(rowsOf(20_000)), {
      ...observe(abort.signal),
      onMessage: () => abort.abort(new Error('enough')),
    })
    await expect(training).rejects.toThrow('enough')
    expect(backend.models().map(({ kind }) => kind)).toEqual([undefined, 'encoder'])
    expect(() => process.kill(pids[0]!, 0)).toThrow(/ESRCH/)
  })

  it('says how many texts it cut', async () => {
    const { backend } = await open(freshFolder())
    const long = rowsOf(24).map(({ messages: [question, answer] }) => ({
      messages: [
        { ...question!, content: `${String(question!.content)} ${'money '.repeat(20)}` },
        answer!,
      ],
    }))
    const warnings: string[] = []
    await backend.train(input(long), {
      ...observe(),
      onMessage: (level, message) => void (level === 'warn' && warnings.push(message)),
    })
    expect(warnings).toEqual(["24 texts were cut to the encoder's 16 tokens"])
  })

  it('is not served by another encoder', async () => {
    const dataDir = freshFolder()
    const { backend } = await open(dataDir)
    const { model } = await backend.train(input(rowsOf(24)), observe())
    const other = join(root, 'other', 'tiny-bert')
    writeTinyBert(other, { seed: 7 })
    const base = await createOnnxBackend({ modelPath, dataDir, threads: 1, log })
    const changed = await withEncoder(base, { encoderPath: other, dataDir, threads: 1, log })
    onTestFinished(() => changed.close())
    expect(changed.models().map(({ id }) => id)).toEqual(['tiny', 'tiny-bert'])
    const request = { model, messages: [{ role: 'user', content: 'my card' }] }
    const signal = new AbortController().signal
    await expect(changed.complete(request, signal).next()).rejects.toMatchObject({
      code: 'invalid-request',
      message: expect.stringContaining('another encoder') as string,
    })
  })
})

const start = async (folder: string, name = 'data'): Promise<EngineProcess> => {
  const engine = await startOnnxEngine({
    onFault: () => {},
    dataDir: join(root, name),
    modelPath,
    encoderPath: folder,
    threads: 1,
  })
  onTestFinished(() => engine.close())
  return engine
}

describe('an engine with an encoder', () => {
  it('trains and answers over HTTP, also after it was killed while it trained', async () => {
    const { baseUrl, token, pid } = await start(encoderPath, 'killed')
    const client = createEngine({ name: 'onnx', baseUrl, token, fetch, timeoutMs: 5000 })
    const file = await client.uploadRows(rowsOf(4000), 'rows.jsonl')
    const job = await client.createJob({
      model: 'tiny-bert',
      training_file: file,
      method: { type: 'label-head' },
    })
    const killed = pid()!
    process.kill(killed, 'SIGKILL')
    for (;;) {
      const now = await client.getJob(job.id).catch(() => null)
      if (now !== null && now.status !== 'queued' && now.status !== 'running') break
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    const { status, fine_tuned_model: head } = await finished(client, job.id)
    expect(status).toBe('succeeded')
    const answer = await client.complete({
      model: head!,
      messages: [{ role: 'user', content: 'transfer my card' }],
    })
    expect(WORDS).toContain(answer.choices[0]!.message.content)
    expect(answer.choices[0]!.distance).toBeGreaterThanOrEqual(0)
  })

  it('does not start with a bad folder, and says why', async () => {
    const bad = join(root, 'bad')
    writeTinyBert(bad, { seed: 1 })
    writeFileSync(join(bad, 'modules.json'), '[]')
    await expect(start(bad)).rejects.toMatchObject({
      code: 'invalid-model',
      message: expect.stringContaining('lists no Pooling module') as string,
    })
  })

  it('does not start when encoder and base model have one name', async () => {
    const same = join(root, 'same', 'tiny')
    writeTinyBert(same, { seed: 1 })
    await expect(start(same)).rejects.toMatchObject({ code: 'invalid-config' })
  })
})
