/** The GPU engine's processes: vLLM (a stand-in) and the trainer, their deaths, and what is left behind. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/engine/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { isUnfinished, type JobObject } from '../../src/openai/fine-tuning.ts'
import { row } from '../contract/harness.ts'
import { writeRandomModel } from '../kit/model/random-model.ts'
import { freePort } from '../kit/process/free-port.ts'
import {
  BY_STAND_IN,
  missingForTrainer,
  startGpuProcess,
  TRAINER,
  type GpuProcess,
} from '../kit/process/gpu-process.ts'
import { commandLine, processTree } from '../kit/process/proxy-process.ts'
import { API_KEY, Replica } from '../kit/vllm/replica.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const modelPath = join(folder, 'tiny')
const dataDirs: string[] = []
const running: GpuProcess[] = []

const fault = (faults: object): void =>
  writeFileSync(join(folder, 'faults.json'), JSON.stringify(faults))

const start = async (env: Record<string, string> = {}): Promise<GpuProcess> => {
  const dataDir = env['ENGINE_DATA_DIR'] ?? mkdtempSync(join(folder, 'data-'))
  dataDirs.push(dataDir)
  const engine = await startGpuProcess({
    modelPath,
    dataDir,
    env: { STAND_IN_FOLDER: folder, LOG_LEVEL: 'silent', ENGINE_CHECKPOINT_SECONDS: '0.1', ...env },
  })
  running.push(engine)
  return engine
}

const clientOf = ({ baseUrl, token }: GpuProcess): Engine =>
  createEngine({ name: 'gpu', baseUrl, token, fetch })

const canAnswer = async ({ baseUrl, token }: GpuProcess, model = 'tiny'): Promise<number> => {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'a' }],
      max_tokens: 3,
    }),
  })
  await response.text()
  return response.status
}

const pidsOf = (engine: GpuProcess, pattern: RegExp): number[] =>
  processTree(engine.pid).filter((pid) => pattern.test(commandLine(pid)))

const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && commandLine(pid) !== ''

const STAND_IN = /^(?!.*leash).*stand-in-process/
const LEASH = /leash/
const TRAIN = /^(?!.*leash)(?!sh ).*train\.py/

beforeAll(() => {
  writeRandomModel(modelPath, { seed: 11 })
})
afterEach(async () => {
  for (const engine of running.splice(0)) if (!engine.exited()) await engine.kill()
  rmSync(join(folder, 'faults.json'), { force: true })
})

describe('the process of vLLM', () => {
  it('that does not start ends the engine with its last words and what to do', async () => {
    fault({ start: 'exit' })
    await expect(start()).rejects.toThrow(
      /vLLM did not start: it ended with exit code 1.*ENGINE_VLLM_MEMORY.*No available memory/s
    )
    await expect(start({ ENGINE_VLLM_COMMAND: 'no-such-program serve' })).rejects.toThrow(
      /exit code 127.*no-such-program/s
    )
  })

  it.each([
    ['it', STAND_IN],
    ['its leash', LEASH],
  ])('is started again after %s was killed, and leaves nothing behind', async (_, victim) => {
    const engine = await start()
    const before = pidsOf(engine, STAND_IN)
    for (const pid of pidsOf(engine, victim).slice(0, 1)) process.kill(pid, 'SIGKILL')
    await expect.poll(() => canAnswer(engine), { timeout: 5000 }).toBe(503)
    await expect.poll(() => canAnswer(engine), { timeout: 30_000, interval: 250 }).toBe(200)
    expect(before.filter(isAlive)).toEqual([])
  })

  it('ends with the engine, however that ends', async () => {
    for (const end of ['close', 'kill'] as const) {
      const engine = await start()
      const children = processTree(engine.pid)
      expect(children.length).toBeGreaterThanOrEqual(3)
      await engine[end]()
      await expect.poll(() => children.filter(isAlive), { timeout: 10_000 }).toEqual([])
    }
  })
})

const ended = async (engine: GpuProcess, id: string): Promise<JobObject> => {
  const options = { timeout: 300_000, interval: 100 }
  await expect
    .poll(async () => isUnfinished(await clientOf(engine).getJob(id)), options)
    .toBe(false)
  return clientOf(engine).getJob(id)
}

describe('a training on the engine', () => {
  const rows = [row('Is it cold?', 'Yes'), row('Is it far?', 'No'), row('Who?', 'Me')]

  const submit = async (engine: GpuProcess, steps = 200): Promise<string> => {
    const client = clientOf(engine)
    const training_file = await client.uploadRows(rows, 'rows.jsonl')
    const hyperparameters = { rank: 4, batch_size: 2, max_steps: steps }
    return (await client.createJob({ model: 'tiny', training_file, hyperparameters, seed: 1 })).id
  }

  const script = '"$PROMPTINTERN_TRAINER/train.py" "$PROMPTINTERN_TASK" "$PROMPTINTERN_REPORT"'

  it.for<[string, Record<string, string>]>([
    ['here', {}],
    ['by a command', { ENGINE_TRAIN_COMMAND: `exec '${TRAINER.python}' ${script}` }],
  ])(
    '%s continues after trainer and engine were killed, and gives the lora that it would have given',
    { timeout: 900_000 },
    async ([, env], context) => {
      const missing = missingForTrainer()
      if (missing !== null) return context.skip(missing)
      const calm = await start()
      const whole = await ended(calm, await submit(calm))
      expect(whole).toMatchObject({ status: 'succeeded', error: null })
      await calm.close()

      let engine = await start(env)
      const id = await submit(engine)
      const trains = () => pidsOf(engine, TRAIN)[0]
      const checkpoint = join(dataDirs.at(-1)!, 'jobs', id, 'checkpoint/checkpoint.safetensors')
      const writtenAt = () => statSync(checkpoint, { throwIfNoEntry: false })?.mtimeMs ?? 0
      const options = { timeout: 120_000, interval: 10 }
      await expect.poll(writtenAt, options).toBeGreaterThan(0)
      process.kill(trains()!, 'SIGKILL')
      await expect.poll(writtenAt, options).toBeGreaterThan(writtenAt())
      const trainer = trains()!
      await engine.kill()
      // the trainer ends with the engine
      await expect.poll(() => isAlive(trainer), { timeout: 10_000 }).toBe(false)
      engine = await start({ ...env, ENGINE_DATA_DIR: dataDirs.at(-1)! })
      const job = await ended(engine, id)
      expect(job).toMatchObject({ status: 'succeeded', fine_tuned_model: whole.fine_tuned_model })
      const said = (await clientOf(engine).jobEvents(id)).map(({ message }) => message)
      expect(said.join()).toMatch(/resumed from the checkpoint/)
    }
  )

  it(
    'is not repeated where its lora cannot be served yet',
    { timeout: 900_000 },
    async (context) => {
      const missing = missingForTrainer()
      if (missing !== null) return context.skip(missing)
      const port = await freePort()
      const loraFolder = join(folder, 'loras')
      const engine = await start({
        ENGINE_VLLM_URL: `http://127.0.0.1:${port}`,
        ENGINE_VLLM_KEY: API_KEY,
        ENGINE_VLLM_MAX_MODEL_LEN: '512',
        ENGINE_LORA_FOLDER: loraFolder,
      })
      const job = await ended(engine, await submit(engine, 4))
      expect(job).toMatchObject({ status: 'succeeded', error: null })
      const said = (await clientOf(engine).jobEvents(job.id)).map(({ message }) => message)
      expect(said.join()).toMatch(/stored and cannot be served yet: .*ECONNREFUSED/)
      const lora = job.fine_tuned_model!
      expect(await canAnswer(engine, lora)).toBe(503)
      const command = BY_STAND_IN.ENGINE_VLLM_COMMAND
      const env = { ...process.env }
      const server = await Replica.start({ command, modelPath, loraFolder, env }, port)
      // the mount is not there
      expect(await canAnswer(engine, lora)).toBe(503)
      mkdirSync(loraFolder)
      await expect.poll(() => canAnswer(engine, lora), { timeout: 20_000, interval: 250 }).toBe(200)
      await server.kill()
    }
  )
})
