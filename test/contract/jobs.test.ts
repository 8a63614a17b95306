import { appendFile, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createJobStore } from '../../adapters/host/job-store.ts'
import { EventWriter } from '../../adapters/host/job-events.ts'
import { createFakeBackend } from '../../adapters/fake/backend.ts'
import { ROWS, finished, row, startTestEngine, until } from './harness.ts'
import { ownFolder } from '../kit/temporary-folder.ts'

const submit = async (
  { engine }: Awaited<ReturnType<typeof startTestEngine>>,
  hyperparameters: object = { max_steps: 3 },
  metadata: Record<string, string> = {}
) => {
  const training_file = await engine.uploadRows(ROWS, 'rows.jsonl')
  return engine.createJob({ model: 'fake-base', training_file, hyperparameters, metadata })
}

/** Where the job stands on disk after its first checkpoint, as after a kill. */
const interruptedJob = async (dataDir: string, steps: number) => {
  const first = await startTestEngine(dataDir, { faults: { stepMs: 10 }, checkpointSteps: 2 })
  const job = await submit(first, { max_steps: steps })
  const checkpoint = join(dataDir, 'jobs', job.id, 'checkpoint', 'checkpoint.json')
  await until(
    () => readFile(checkpoint, 'utf8').catch(() => ''),
    (text) => text.endsWith('}')
  )
  await first.host.close()
  return job
}

const recordPath = (dataDir: string, id: string) => join(dataDir, 'jobs', id, 'job.json')

describe('job queue', () => {
  it('reports a training that fails, with its reason, and trains the next job', async () => {
    const faults = { failAtStep: 2 as number | undefined }
    const test = await startTestEngine(ownFolder(), { faults })
    const failed = await finished(test.engine, (await submit(test)).id)
    expect(failed).toMatchObject({ status: 'failed', fine_tuned_model: null })
    expect(failed.error!.message).toContain('fails at step 2')
    faults.failAtStep = undefined
    expect((await finished(test.engine, (await submit(test)).id)).status).toBe('succeeded')
  })

  it('makes a new job for the key of one that failed', async () => {
    const faults = { failAtStep: 1 as number | undefined }
    const test = await startTestEngine(ownFolder(), { faults })
    const key = { idempotency_key: 'a' }
    const failed = await submit(test, { max_steps: 3 }, key)
    await finished(test.engine, failed.id)
    faults.failAtStep = undefined
    const second = await submit(test, { max_steps: 3 }, key)
    expect(second.id).not.toBe(failed.id)
    await finished(test.engine, second.id)
    expect((await submit(test, { max_steps: 3 }, key)).id).toBe(second.id)
    expect((await test.engine.findJobs(key)).map((job) => job.id)).toEqual([second.id, failed.id])
  })

  it('goes on from the checkpoint after a restart and removes it at the end', async () => {
    const dataDir = ownFolder()
    const job = await interruptedJob(dataDir, 300)
    expect(JSON.parse(await readFile(recordPath(dataDir, job.id), 'utf8'))).toMatchObject({
      job: { status: 'running' },
    })
    const second = await startTestEngine(dataDir)
    expect(await finished(second.engine, job.id)).toMatchObject({ status: 'succeeded' })
    const messages = (await second.engine.jobEvents(job.id)).map((event) => event.message)
    expect(messages).toContain('Resumed after a restart')
    expect(messages.some((message) => message.startsWith('Goes on from step'))).toBe(true)
    await until(
      () => readdir(join(dataDir, 'jobs', job.id)),
      (names) => !names.includes('checkpoint')
    )
  })

  it('keeps no checkpoint of a job that a kill left behind after its end', async () => {
    const dataDir = ownFolder()
    const first = await startTestEngine(dataDir)
    const job = await finished(first.engine, (await submit(first)).id)
    await first.host.close()
    const checkpoint = join(dataDir, 'jobs', job.id, 'checkpoint')
    await mkdir(checkpoint)
    await writeFile(join(checkpoint, 'task.json'), '{"rows":["a text"]}')
    await startTestEngine(dataDir)
    expect(await readdir(join(dataDir, 'jobs', job.id))).not.toContain('checkpoint')
  })

  it('gives up on a job that was interrupted too often at the same place', async () => {
    const dataDir = ownFolder()
    const job = await interruptedJob(dataDir, 100_000)
    const path = recordPath(dataDir, job.id)
    const record = JSON.parse(await readFile(path, 'utf8')) as object
    await writeFile(path, JSON.stringify({ ...record, resumes: 10 }))
    const second = await startTestEngine(dataDir)
    const failed = await second.engine.getJob(job.id)
    expect(failed.status).toBe('failed')
    expect(failed.error!.message).toContain('without getting past step')
  })

  it('fails a job after a restart when its file was deleted', async () => {
    const dataDir = ownFolder()
    const job = await interruptedJob(dataDir, 100_000)
    await rm(join(dataDir, 'files'), { recursive: true })
    const second = await startTestEngine(dataDir)
    const failed = await finished(second.engine, job.id)
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'not_found' } })
  })

  it('shows a job with a broken file as failed, and runs the others', async () => {
    const dataDir = ownFolder()
    const first = await startTestEngine(dataDir, { faults: { stepMs: 20 } })
    const broken = await submit(first, { max_steps: 1000 })
    const queued = await submit(first)
    await first.host.close()
    await writeFile(recordPath(dataDir, broken.id), '{"job": {"id"')
    const second = await startTestEngine(dataDir)
    const job = await second.engine.getJob(broken.id)
    expect(job).toMatchObject({ status: 'failed', error: { code: 'invalid_state' } })
    expect(job.error!.message).toContain('job.json')
    expect((await finished(second.engine, queued.id)).status).toBe('succeeded')
    expect((await submit(second)).id).toBeDefined()
  })

  it('forgets a job that was never acknowledged', async () => {
    const dataDir = ownFolder()
    await mkdir(join(dataDir, 'jobs', 'ftjob-half'), { recursive: true })
    const { engine } = await startTestEngine(dataDir)
    await expect(engine.getJob('ftjob-half')).rejects.toMatchObject({ code: 'not-found' })
    expect(await readdir(join(dataDir, 'jobs'))).toEqual([])
  })

  it('answers 503 with the reason when a job cannot be written, and goes on afterwards', async () => {
    const dataDir = ownFolder()
    const test = await startTestEngine(dataDir)
    const training_file = await test.engine.uploadRows(ROWS, 'rows.jsonl')
    await rm(join(dataDir, 'jobs'), { recursive: true })
    await writeFile(join(dataDir, 'jobs'), 'a file where a folder should be')
    const request = { model: 'fake-base', training_file, hyperparameters: { max_steps: 1 } }
    await expect(test.engine.createJob(request)).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringContaining('cannot be written'),
    })
    expect(await test.engine.findJobs({})).toEqual([])
    await rm(join(dataDir, 'jobs'))
    const { id } = await test.engine.createJob(request)
    expect((await finished(test.engine, id)).status).toBe('succeeded')
  })

  it('fails a job when its end cannot be written, and runs it again after a restart', async () => {
    const dataDir = ownFolder()
    const first = await startTestEngine(dataDir, { faults: { stepMs: 10 } })
    const job = await submit(first, { max_steps: 20 })
    await until(
      () => first.engine.getJob(job.id),
      ({ status }) => status === 'running'
    )
    // the temporary file of an atomic write cannot be made where a folder lies
    await mkdir(`${recordPath(dataDir, job.id)}.tmp`)
    const failed = await finished(first.engine, job.id)
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'store_unavailable' } })
    await first.host.close()
    await rm(`${recordPath(dataDir, job.id)}.tmp`, { recursive: true, force: true })
    const second = await startTestEngine(dataDir)
    expect((await finished(second.engine, job.id)).status).toBe('succeeded')
  })

  it('refuses more jobs than may wait', async () => {
    const faults = { stepMs: 1000 }
    const options = { queue: { maxUnfinished: 2 } }
    const test = await startTestEngine(ownFolder(), { faults }, options)
    await submit(test)
    await submit(test)
    await expect(submit(test)).rejects.toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringContaining('2 jobs are waiting'),
    })
  })

  it('trains several jobs at the same time when configured so', async () => {
    const faults = { stepMs: 20 }
    const options = { queue: { maxRunning: 2 } }
    const test = await startTestEngine(ownFolder(), { faults }, options)
    const jobs = [await submit(test), await submit(test)]
    const statuses = await Promise.all(
      jobs.map(async ({ id }) => (await test.engine.getJob(id)).status)
    )
    expect(statuses).toEqual(['running', 'running'])
    for (const { id } of jobs) expect((await finished(test.engine, id)).status).toBe('succeeded')
  })

  it('deletes the lora of a job that was cancelled too late, unless another job has the same', async () => {
    const dataDir = ownFolder()
    const backend = await createFakeBackend({ dataDir, faults: { stepMs: 5 } })
    const train = backend.train.bind(backend)
    backend.train = (input, hooks) =>
      train(input, { ...hooks, signal: new AbortController().signal })
    const test = await startTestEngine(dataDir, {}, { backend })
    const wanted = await finished(test.engine, (await submit(test)).id)
    const training_file = await test.engine.uploadRows(ROWS, 'rows.jsonl')
    for (const seed of [0, 1]) {
      const request = {
        model: 'fake-base',
        training_file,
        seed,
        hyperparameters: { max_steps: 10 },
      }
      const { id } = await test.engine.createJob(request)
      expect((await test.engine.cancelJob(id)).status).toBe('cancelled')
      await finished(test.engine, (await submit(test)).id)
      expect((await test.engine.getJob(id)).status).toBe('cancelled')
    }
    const models = (await test.engine.models()).map((model) => model.id)
    expect(models).toEqual(['fake-base', wanted.fine_tuned_model])
  })
})

const progress = (step: number) => ({
  step,
  total_steps: 100_000,
  tokens_per_second: 1,
  train_loss: 1,
  valid_loss: null,
  eta_seconds: 1,
})

const silent = () => undefined

const openWriter = async (maxEvents: number) => {
  const dir = ownFolder()
  await mkdir(join(dir, 'ftjob-1'))
  const store = createJobStore(dir, silent)
  let time = 0
  const writer = new EventWriter(
    { store, now: () => time, log: silent, metricsIntervalMs: 1000, maxEvents },
    'ftjob-1'
  )
  return { dir, store, writer, pass: (ms: number) => (time += ms) }
}

describe('job events', () => {
  it('are limited to one a second, with the last step always among them', async () => {
    const { store, writer, pass } = await openWriter(1000)
    for (let step = 1; step <= 50; step++) {
      await writer.metrics(progress(step))
      pass(100)
    }
    await writer.metrics(progress(100_000))
    const steps = (await store.events('ftjob-1')).map((event) => event.data!['step'])
    expect(steps).toEqual([1, 11, 21, 31, 41, 100_000])
  })

  it('get rarer in a long training', async () => {
    const { store, writer, pass } = await openWriter(10_000)
    for (let step = 1; step <= 1500; step++) {
      await writer.metrics(progress(step))
      pass(1000)
    }
    // 500 at one a second, then one every two seconds
    expect(await store.events('ftjob-1')).toHaveLength(1000)
  })

  it('never exceed their limit, except events that are always written', async () => {
    const { store, writer, pass } = await openWriter(20)
    for (let step = 1; step <= 50; step++) {
      await writer.metrics(progress(step))
      await writer.message('info', 'something')
      pass(1000)
    }
    await writer.message('info', 'the end', true)
    const events = await store.events('ftjob-1')
    expect(events).toHaveLength(21)
    expect(events.at(-1)!.message).toBe('the end')
  })

  it('survive a line that a crash tore', async () => {
    const { dir, writer } = await openWriter(10)
    await writer.message('info', 'first')
    await appendFile(join(dir, 'ftjob-1', 'events.jsonl'), '{"object": "fine_tuning.job.ev')
    const reopened = createJobStore(dir, silent)
    await reopened.appendEvent('ftjob-1', {
      object: 'fine_tuning.job.event',
      created_at: 1,
      level: 'info',
      type: 'message',
      message: 'second',
    })
    const events = await reopened.events('ftjob-1')
    expect(events.map((event) => event.message)).toEqual(['first', 'second'])
    expect(events.map((event) => event.id)).toEqual(['ftevent-ftjob-1-0', 'ftevent-ftjob-1-1'])
  })
})

describe('files of jobs', () => {
  it('make room for new ones when their jobs are over, and only then', async () => {
    const limits = { maxFileBytes: 2000, maxTotalFileBytes: 3000 }
    const faults = { stepMs: 2 }
    const test = await startTestEngine(ownFolder(), { faults }, { limits })
    const big = Array.from({ length: 12 }, (_, index) =>
      row(`question ${index}`, 'answer'.repeat(8))
    )
    const training_file = await test.engine.uploadRows(big, 'big.jsonl')
    const request = { model: 'fake-base', training_file, hyperparameters: { max_steps: 20 } }
    const { id } = await test.engine.createJob(request)
    await expect(test.engine.uploadRows(big, 'big.jsonl')).rejects.toMatchObject({
      message: expect.stringContaining('file storage is full'),
    })
    await finished(test.engine, id)
    const second = await test.engine.uploadRows(big, 'big.jsonl')
    expect(second).not.toBe(training_file)
    await expect(test.engine.createJob(request)).rejects.toMatchObject({ code: 'not-found' })
  })
})
