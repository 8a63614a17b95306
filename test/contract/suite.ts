/**
 * The engine contract as a suite (docs/contract.md), driven by the official client over a real
 * port. A feature that an engine lacks is named in its capabilities and shows as a skipped test.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChatMessage } from '../../src/openai/chat.ts'
import type {
  Hyperparameters,
  JobObject,
  JobRequest,
  ModelObject,
  TrainingRow,
} from '../../src/openai/fine-tuning.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { createDriver, failureOf, until, type Driver, type RunningEngine } from './driver.ts'

export interface Capabilities {
  baseModel: string
  /** at least four, short enough for the model */
  rows: TrainingRow[]
  /** one that the model cannot read whole */
  oversizedRow: TrainingRow
  /** training that is over in about a second */
  shortTraining: Hyperparameters
  /** training that takes some seconds and writes a checkpoint in the first of them */
  longTraining: Hyperparameters
  /** a prompt of the rows; the trained lora takes at least a second to answer it */
  slowPrompt: ChatMessage[] | null
  /** feature → why the engine lacks it, or where it is tested */
  lacks?: Partial<Record<Feature, string>>
  /** feature → how often it may be tried again, where the machine and not the engine is at fault */
  retries?: Partial<Record<Feature, number>>
}

export type Feature =
  | 'memorizing'
  | 'continuous-usage'
  | 'slow-answer'
  | 'seed'
  | 'json-object'
  | 'choice'
  | 'bound-calls'
  | 'top-logprobs'
  | 'loss'
  | 'training'
  | 'resume'

type Params = OpenAI.ChatCompletionCreateParamsNonStreaming & { structured_outputs?: unknown }

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0)

/**
 * @param startEngine starts an engine that keeps everything in `dataDir`, and finds it again there
 */
export const describeContract = (
  name: string,
  startEngine: (dataDir: string) => Promise<RunningEngine>,
  capabilities: Capabilities
): void => {
  const { baseModel, rows, shortTraining, longTraining, lacks = {}, retries = {} } = capabilities
  /** For jobs when no test asks their lora anything. */
  const briefTraining = { ...shortTraining, max_steps: 2 }
  const firstPrompt = rows[0]!.messages.slice(0, -1)
  const firstAnswer = rows[0]!.messages.at(-1)!.content as string

  const needs = (feature: Feature, title: string, body: () => Promise<void>): void => {
    const reason = lacks[feature]
    it(title, { retry: retries[feature] ?? 0 }, async (context) => {
      if (reason !== undefined) context.skip(`${name}: ${reason}`)
      await body()
    })
  }

  describe(`engine contract: ${name}`, () => {
    const dataDir = sharedFolder()
    let driver: Driver
    let firstJob: JobObject
    let lora: string

    const firstRequest = async (): Promise<JobRequest> => ({
      model: baseModel,
      training_file: await driver.upload(rows),
      validation_file: await driver.upload(rows.slice(0, 1)),
      hyperparameters: shortTraining,
      seed: 3,
      suffix: 'mine',
      metadata: { purpose: 'test' },
    })

    /** A job of the rows, from the base model. */
    const createJob = async (request: Partial<JobRequest>): Promise<JobObject> =>
      driver.createJob({
        model: baseModel,
        training_file: await driver.upload(rows),
        ...request,
      })

    const jobsWith = async (metadata: Record<string, string>): Promise<string[]> =>
      (await driver.client.fineTuning.jobs.list({ metadata })).data.map(({ id }) => id)

    beforeAll(async () => {
      driver = createDriver(await startEngine(dataDir))
      const { id } = await driver.createJob(await firstRequest())
      firstJob = await driver.finished(id)
      lora = firstJob.fine_tuned_model!
    })

    afterAll(() => driver.engine.close())

    const chat = (extra: Partial<Params> = {}) =>
      driver.client.chat.completions.create({
        model: lora,
        messages: firstPrompt as Params['messages'],
        max_tokens: 24,
        ...extra,
      })

    const textOf = async (extra: Partial<Params> = {}): Promise<string> =>
      (await chat(extra)).choices[0]!.message.content!

    describe('access', () => {
      it('refuses a wrong or missing token with 401', async () => {
        const wrong = new OpenAI({ baseURL: driver.engine.baseUrl, apiKey: 'wrong', maxRetries: 0 })
        const error = await failureOf(wrong.models.list())
        expect(error.status).toBe(401)
        expect(error.type).toBe('authentication_error')
        expect((await fetch(`${driver.engine.baseUrl}/models`)).status).toBe(401)
      })

      it('answers /healthz without a token', async () => {
        const root = driver.engine.baseUrl.replace(/\/v1$/, '')
        expect((await fetch(`${root}/healthz`)).status).toBe(200)
      })

      it('answers an unknown route with an OpenAI error', async () => {
        const response = await driver.post('/embeddings', {})
        expect(response.status).toBe(404)
        expect(await response.json()).toMatchObject({ error: { code: 'not_found' } })
      })
    })

    describe('files', () => {
      it('keeps, lists, returns and deletes an upload', async () => {
        const id = await driver.upload(rows.slice(0, 2))
        const file = await driver.client.files.retrieve(id)
        expect(file).toMatchObject({ object: 'file', purpose: 'fine-tune', filename: 'rows.jsonl' })
        const text = await (await driver.client.files.content(id)).text()
        expect(file.bytes).toBe(Buffer.byteLength(text))
        expect(
          text
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as unknown)
        ).toEqual(rows.slice(0, 2))
        expect((await driver.client.files.list()).data.map((item) => item.id)).toContain(id)
        expect(await driver.client.files.delete(id)).toMatchObject({ deleted: true })
        expect((await failureOf(driver.client.files.retrieve(id))).status).toBe(404)
      })

      it('refuses another purpose', async () => {
        const file = await toFile(Buffer.from('{}'), 'rows.jsonl')
        const error = await failureOf(driver.client.files.create({ file, purpose: 'batch' }))
        expect([error.status, error.param]).toEqual([400, 'purpose'])
      })
    })

    describe('jobs', () => {
      it('trains a lora and reports its steps, losses and memory', () => {
        expect(firstJob).toMatchObject({
          object: 'fine_tuning.job',
          model: baseModel,
          seed: 3,
          status: 'succeeded',
          error: null,
          hyperparameters: shortTraining,
          metadata: { purpose: 'test' },
          result_metrics: {
            steps: expect.any(Number),
            train_loss: expect.any(Number),
            valid_loss: expect.any(Number),
            peak_memory_bytes: expect.any(Number),
          },
        })
        expect(firstJob.trained_tokens).toBeGreaterThan(0)
        expect(firstJob.finished_at).toBeGreaterThanOrEqual(firstJob.created_at)
      })

      it('reports its progress in events, newest first, page by page', async () => {
        const events = await driver.events(firstJob.id)
        expect(events[0]!.message).toContain('Succeeded')
        const metrics = events.find((event) => event.type === 'metrics')!
        const data = metrics.data as Record<string, number>
        expect(data['step']).toBe(data['total_steps'])
        for (const field of ['tokens_per_second', 'train_loss', 'eta_seconds'])
          expect(data[field]).toBeGreaterThanOrEqual(0)
        const paged: string[] = []
        const pages = driver.client.fineTuning.jobs.listEvents(firstJob.id, { limit: 1 })
        for await (const event of pages) paged.push(event.id)
        expect(paged).toEqual(events.map((event) => event.id))
      })

      needs('training', 'starts stage 2 from the lora of stage 1, on a single row', async () => {
        const { id } = await createJob({
          model: lora,
          training_file: await driver.upload(rows.slice(0, 1)),
          hyperparameters: briefTraining,
          metadata: { stage: '2' },
        })
        const job = await driver.finished(id)
        expect(job).toMatchObject({ status: 'succeeded', model: lora })
        expect(job.fine_tuned_model).not.toBe(lora)
      })

      needs('training', 'makes the same lora of the same job', async () => {
        const { id } = await driver.createJob(await firstRequest())
        expect(id).not.toBe(firstJob.id)
        expect((await driver.finished(id)).fine_tuned_model).toBe(lora)
      })

      needs(
        'training',
        'returns the existing job for a known idempotency key, also to simultaneous callers',
        async () => {
          const training_file = await driver.upload(rows)
          const request: JobRequest = {
            model: baseModel,
            training_file,
            hyperparameters: briefTraining,
            metadata: { idempotency_key: 'i-1/schedule/1', internalization_id: 'i-1' },
          }
          const created = await Promise.all([driver.createJob(request), driver.createJob(request)])
          expect(created[1].id).toBe(created[0].id)
          await driver.finished(created[0].id)
          expect((await driver.createJob(request)).id).toBe(created[0].id)
          expect(await jobsWith({ internalization_id: 'i-1' })).toEqual([created[0].id])
          const other = await failureOf(driver.createJob({ ...request, model: lora }))
          expect(other.status).toBe(409)
        }
      )

      it('lists jobs by metadata, newest first', async () => {
        const request = { hyperparameters: longTraining }
        const metadata = { internalization_id: 'i-2' }
        const first = await createJob({ ...request, metadata: { ...metadata, arm: 'schedule' } })
        const second = await createJob({ ...request, metadata: { ...metadata, arm: 'query-only' } })
        for (const { id } of [first, second]) await driver.client.fineTuning.jobs.cancel(id)
        expect(await jobsWith({ internalization_id: 'i-2' })).toEqual([second.id, first.id])
        expect(await jobsWith({ internalization_id: 'i-2', arm: 'schedule' })).toEqual([first.id])
        expect(await jobsWith({ internalization_id: 'nobody' })).toEqual([])
      })

      needs(
        'training',
        'cancels a running and a queued job, and trains the next one with the key of a cancelled one',
        async () => {
          const training_file = await driver.upload(rows)
          const long = { model: baseModel, training_file, hyperparameters: longTraining }
          const running = await driver.createJob({
            ...long,
            metadata: { idempotency_key: 'cancelled' },
          })
          const queued = await driver.createJob(long)
          await driver.jobIs(running.id, ['running'])
          expect((await driver.client.fineTuning.jobs.retrieve(queued.id)).status).toBe('queued')
          const refused = await failureOf(driver.client.files.delete(training_file))
          expect(refused.status).toBe(409)
          expect((await driver.client.fineTuning.jobs.cancel(queued.id)).status).toBe('cancelled')
          expect((await driver.client.fineTuning.jobs.cancel(running.id)).status).toBe('cancelled')
          const cancelled = await driver.client.fineTuning.jobs.retrieve(running.id)
          expect(cancelled).toMatchObject({ status: 'cancelled', fine_tuned_model: null })
          const again = await driver.createJob({
            ...long,
            hyperparameters: briefTraining,
            metadata: { idempotency_key: 'cancelled' },
          })
          expect(again.id).not.toBe(running.id)
          expect((await driver.finished(again.id)).status).toBe('succeeded')
          expect((await failureOf(driver.client.fineTuning.jobs.cancel(again.id))).status).toBe(409)
          expect(await driver.client.files.delete(training_file)).toMatchObject({ deleted: true })
        }
      )

      it('fails with a reason when the data cannot be read any more, and goes on', async () => {
        const long = await createJob({ hyperparameters: longTraining })
        const doomed = await driver.upload(rows)
        const failing = await createJob({ training_file: doomed })
        await writeFile(join(dataDir, 'files', `${doomed}.jsonl`), '{"messages": [')
        await driver.client.fineTuning.jobs.cancel(long.id)
        const job = await driver.finished(failing.id)
        expect(job.status).toBe('failed')
        expect(job.error).toMatchObject({ code: 'invalid_request', param: 'training_file' })
        expect(job.error!.message).toContain('line 1')
        expect((await driver.events(failing.id))[0]).toMatchObject({ level: 'error' })
      })

      it.each([
        ['no rows', '\n', 'no rows'],
        ['no row that counts', JSON.stringify({ ...rows[0]!, weight: 0 }), 'weight 0'],
        ['a line that is not JSON', `${JSON.stringify(rows[0])}\nnonsense`, 'line 2'],
        ['a row without completion', '{"messages":[{"role":"user","content":"a"}]}', 'line 1'],
        [
          'a row that ends with the user',
          '{"messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"}]}',
          'line 1',
        ],
        ['an unknown field', JSON.stringify({ ...rows[0], label: 1 }), 'label'],
      ])('refuses a file with %s', async (_, text, hint) => {
        const training_file = await driver.uploadText(text)
        const error = await failureOf(driver.createJob({ model: baseModel, training_file }))
        expect([error.status, error.param]).toEqual([400, 'training_file'])
        expect(error.message).toContain(hint)
      })

      it('refuses a row over the context, never cuts it', async () => {
        const training_file = await driver.upload([rows[0]!, capabilities.oversizedRow])
        const error = await failureOf(driver.createJob({ model: baseModel, training_file }))
        expect([error.status, error.code]).toEqual([400, 'context_length_exceeded'])
        expect(error.message).toMatch(/row 2|line 2/)
      })

      needs('training', 'distils where it says so, from rows with a teacher alone', async () => {
        const model = await driver.client.models.retrieve(baseModel)
        const methods = (model as unknown as ModelObject).training_methods
        const request = async (changes: object) => ({
          model: baseModel,
          training_file: await driver.upload(rows.map((row) => ({ ...row, ...changes }))),
          hyperparameters: briefTraining,
          method: { type: 'self-distillation' as const },
        })
        const refused = await driver.post('/fine_tuning/jobs', await request({}))
        expect(refused.status).toBe(400)
        const teacher_messages = [{ role: 'user', content: 'Read this first.' }]
        const response = await driver.post('/fine_tuning/jobs', await request({ teacher_messages }))
        expect(response.status).toBe(methods?.includes('self-distillation') ? 200 : 400)
        if (!response.ok) return
        const { id } = (await response.json()) as JobObject
        expect(await driver.finished(id)).toMatchObject({
          status: 'succeeded',
          method: { type: 'self-distillation' },
        })
      })

      it('refuses unknown models, files, methods and fields', async () => {
        const training_file = await driver.upload(rows)
        const request = { model: baseModel, training_file }
        const status = async (body: object) =>
          (await driver.post('/fine_tuning/jobs', { ...request, ...body })).status
        expect(await status({ model: 'nobody' })).toBe(404)
        expect(await status({ training_file: 'file-nobody' })).toBe(404)
        expect(await status({ method: { type: 'dpo' } })).toBe(400)
        expect(await status({ hyperparameters: { magic: 1 } })).toBe(400)
        expect(await status({ integrations: [] })).toBe(400)
        expect((await failureOf(driver.client.fineTuning.jobs.retrieve('nobody'))).status).toBe(404)
      })
    })

    describe('models', () => {
      it('lists the base model with its limits and loras with their parent', async () => {
        const models = (await driver.client.models.list()).data
        const base = models.find((model) => model.id === baseModel)
        expect(base).toMatchObject({
          object: 'model',
          training_methods: expect.arrayContaining(['supervised']),
        })
        expect(base).toMatchObject({
          max_model_len: expect.any(Number),
          parameters: expect.any(Number),
        })
        expect(base).not.toHaveProperty('parent')
        expect(models.find((model) => model.id === lora)).toMatchObject({ parent: baseModel })
        expect(await driver.client.models.retrieve(lora)).toMatchObject({ id: lora })
        expect((await failureOf(driver.client.models.retrieve('nobody'))).status).toBe(404)
      })

      it('deletes a lora, keeps the base model, and never uses a deleted one', async () => {
        const { id } = await createJob({
          hyperparameters: briefTraining,
          seed: 99,
          suffix: 'short-lived',
        })
        const model = (await driver.finished(id)).fine_tuned_model!
        expect(await driver.client.models.delete(model)).toMatchObject({ id: model, deleted: true })
        expect((await failureOf(chat({ model }))).status).toBe(404)
        expect((await failureOf(driver.client.models.delete(model))).status).toBe(404)
        expect((await failureOf(driver.client.models.delete(baseModel))).status).toBe(400)
      })

      needs(
        'slow-answer',
        'stops generating when the client is gone, and refuses to delete a lora before',
        async () => {
          const { id } = await createJob({ hyperparameters: shortTraining, seed: 100 })
          const model = (await driver.finished(id)).fine_tuned_model!
          const ask = { model, messages: capabilities.slowPrompt }
          for (const stream of [true, false]) {
            const abort = new AbortController()
            const request = driver.post.bind(null, '/chat/completions', { ...ask, stream })
            const pending = stream
              ? (await request()).body!.getReader()
              : fetch(`${driver.engine.baseUrl}/chat/completions`, {
                  method: 'POST',
                  headers: { authorization: `Bearer ${driver.engine.token}` },
                  body: JSON.stringify(ask),
                  signal: abort.signal,
                }).catch(() => null)
            // a plain request shows nothing before its end; it must be there before the deletion
            if (pending instanceof Promise) await sleep(100)
            else await pending.read()
            const refused = await until(
              () => failureOf(driver.client.models.delete(model)),
              (error) => error.status === 409
            )
            expect(refused.code).toBe('conflict')
            if (pending instanceof Promise) abort.abort()
            else await pending.cancel()
            await pending
            if (stream) continue
            const startedAt = Date.now()
            const deleted = await until(
              () =>
                driver.client.models.delete(model).then(
                  () => true,
                  () => false
                ),
              Boolean
            )
            expect(deleted).toBe(true)
            expect(Date.now() - startedAt).toBeLessThan(800)
          }
        }
      )
    })

    describe('chat completions', () => {
      it('has the shape of an OpenAI answer with counted tokens', async () => {
        const answer = await chat()
        expect(answer).toMatchObject({ object: 'chat.completion', model: lora })
        expect(answer.choices).toHaveLength(1)
        expect(answer.choices[0]).toMatchObject({ index: 0, logprobs: null })
        const { prompt_tokens, completion_tokens, total_tokens } = answer.usage!
        expect(total_tokens).toBe(prompt_tokens + completion_tokens)
        const counted = await driver.post('/tokenize', { model: lora, messages: firstPrompt })
        expect(await counted.json()).toMatchObject({
          count: prompt_tokens,
          max_model_len: expect.any(Number),
        })
      })

      needs('memorizing', 'answers with the completions of its training rows', async () => {
        expect(await textOf()).toBe(firstAnswer)
      })

      it('streams the text it answers at once', async () => {
        const stream = await driver.client.chat.completions.create({
          model: lora,
          messages: firstPrompt as Params['messages'],
          max_tokens: 24,
          stream: true,
          logprobs: true,
          stream_options: { include_usage: true },
        })
        const texts: string[] = []
        const logprobs: number[] = []
        const reasons: unknown[] = []
        let usage: OpenAI.CompletionUsage | null | undefined
        for await (const { choices, usage: counted } of stream) {
          usage = counted ?? usage
          const choice = choices[0]
          if (!choice) continue
          texts.push(choice.delta.content ?? '')
          logprobs.push(...(choice.logprobs?.content ?? []).map((entry) => entry.logprob))
          if (choice.finish_reason) reasons.push(choice.finish_reason)
        }
        const whole = await chat({ logprobs: true })
        expect(texts.join('')).toBe(whole.choices[0]!.message.content)
        expect(reasons).toEqual([whole.choices[0]!.finish_reason])
        expect(usage).toMatchObject({ total_tokens: whole.usage!.total_tokens })
        const expected = whole.choices[0]!.logprobs!.content!.map((entry) => entry.logprob)
        expect(logprobs).toHaveLength(expected.length)
        for (const [index, logprob] of logprobs.entries())
          expect(logprob).toBeCloseTo(expected[index]!, 3)
      })

      needs('continuous-usage', 'counts along in a stream when asked to', async () => {
        const stream = await driver.client.chat.completions.create({
          model: lora,
          messages: firstPrompt as Params['messages'],
          max_tokens: 24,
          stream: true,
          stream_options: { include_usage: true, continuous_usage_stats: true } as object,
        })
        const usages: OpenAI.CompletionUsage[] = []
        for await (const { usage } of stream) usages.push(usage!)
        const whole = await chat()
        expect(usages.at(-1)).toMatchObject(whole.usage!)
        expect(new Set(usages.map(({ prompt_tokens }) => prompt_tokens))).toEqual(
          new Set([whole.usage!.prompt_tokens])
        )
        const counts = usages.map(({ completion_tokens }) => completion_tokens)
        expect(counts).toEqual(counts.toSorted((a, b) => a - b))
        expect(counts[0]).toBe(0)
      })

      it('gives every token a log-probability of at most 0', async () => {
        const answer = await chat({ logprobs: true })
        const { logprobs } = answer.choices[0]!
        expect(logprobs!.content!.length).toBeGreaterThan(0)
        for (const { logprob, top_logprobs } of logprobs!.content!) {
          expect(logprob).toBeLessThanOrEqual(0)
          expect(top_logprobs).toEqual([])
        }
        // the token that ends an answer may be counted; it has no text and no entry
        const beyond = answer.usage!.completion_tokens - logprobs!.content!.length
        expect([0, 1]).toContain(beyond)
      })

      needs('top-logprobs', 'lists the likeliest tokens beside the chosen one', async () => {
        const answer = await chat({ logprobs: true, top_logprobs: 3 })
        for (const { logprob, top_logprobs } of answer.choices[0]!.logprobs!.content!) {
          expect(top_logprobs).toHaveLength(3)
          expect(top_logprobs[0]!.logprob).toBeCloseTo(logprob, 4)
        }
        expect((await failureOf(chat({ top_logprobs: 3 }))).param).toBe('top_logprobs')
      })

      it('stops before a stop sequence', async () => {
        const text = await textOf()
        const letters = [...text]
        const stop = letters
          .slice(Math.floor(letters.length / 2))
          .slice(0, 2)
          .join('')
        const answer = await chat({ stop: [stop, 'no such text in any answer'] })
        expect(answer.choices[0]!.finish_reason).toBe('stop')
        expect(answer.choices[0]!.message.content).toBe(text.slice(0, text.indexOf(stop)))
      })

      it('says length when max_tokens or max_completion_tokens ends the answer', async () => {
        for (const limit of [{ max_tokens: 1 }, { max_tokens: null, max_completion_tokens: 1 }]) {
          const answer = await chat(limit)
          expect(answer.choices[0]!.finish_reason).toBe('length')
          expect(answer.usage!.completion_tokens).toBe(1)
        }
      })

      needs('seed', 'repeats a sampled answer for the same seed', async () => {
        const sampled = { temperature: 1.5, top_p: 0.95, seed: 7, model: baseModel }
        expect(await textOf(sampled)).toBe(await textOf(sampled))
        const answers = new Set<string>()
        for (let seed = 0; seed < 12; seed++) answers.add(await textOf({ ...sampled, seed }))
        expect(answers.size).toBeGreaterThan(1)
      })

      needs('choice', 'answers with one of the choices only', async () => {
        const choice = ['first answer', 'second answer', firstAnswer]
        const request = { model: lora, messages: firstPrompt, structured_outputs: { choice } }
        const response = await driver.post('/chat/completions', { ...request, logprobs: true })
        const answer = (await response.json()) as OpenAI.ChatCompletion
        expect(choice).toContain(answer.choices[0]!.message.content)
        if (lacks.memorizing === undefined)
          expect(answer.choices[0]!.message.content).toBe(firstAnswer)
        expect(answer.choices[0]!.finish_reason).toBe('stop')
        expect(answer.choices[0]!.logprobs!.content!.length).toBeGreaterThan(0)
        const base = await driver.post('/chat/completions', { ...request, model: baseModel })
        const baseAnswer = (await base.json()) as OpenAI.ChatCompletion
        expect(choice).toContain(baseAnswer.choices[0]!.message.content)
      })

      const SIDES = ['left', 'right']
      const CALLS = {
        functions: [
          {
            name: 'turn',
            parameters: {
              type: 'object',
              properties: { on: { type: 'boolean' }, side: { enum: SIDES } },
              required: ['side', 'on'],
            },
          },
        ],
        required: true,
        parallel: false,
      }

      needs(
        'bound-calls',
        'calls only functions of the request, within their schemas',
        async () => {
          const calls = ['false', 'true'].flatMap((on) =>
            SIDES.map((side) => `[[call]] turn {"on":${on},"side":"${side}"}`)
          )
          for (let seed = 0; seed < 4; seed++) {
            const sampled = { model: baseModel, temperature: 1.5, seed, max_tokens: 100 }
            const answer = await chat({ ...sampled, structured_outputs: { calls: CALLS } })
            expect(calls).toContain(answer.choices[0]!.message.content)
            expect(answer.choices[0]!.finish_reason).toBe('stop')
          }
        }
      )

      it('takes the calls that an answer may have, and says what is wrong with them', async () => {
        const calls = { ...CALLS, required: false, parallel: true }
        expect(await textOf({ structured_outputs: { calls } })).toBe(await textOf())
        const functions = [{ name: 'not a name' }]
        for (const [wrong, param] of [
          [{}, 'structured_outputs'],
          [{ choice: [] }, 'structured_outputs.choice'],
          [{ calls, choice: ['a'] }, 'structured_outputs'],
          [{ calls: { ...calls, functions } }, 'structured_outputs.calls.functions.0.name'],
        ] as const) {
          const error = await failureOf(chat({ structured_outputs: wrong }))
          expect([error.status, error.param]).toEqual([400, param])
        }
      })

      needs('json-object', 'answers with a JSON object in JSON mode', async () => {
        const answer = await chat({
          model: baseModel,
          response_format: { type: 'json_object' },
          max_tokens: 64,
        })
        const { finish_reason, message } = answer.choices[0]!
        // an answer that max_tokens cut off is the beginning of an object
        if (finish_reason === 'length') expect(message.content!.trimStart()[0]).toBe('{')
        else expect(JSON.parse(message.content!)).toBeTypeOf('object')
      })

      it('reads content parts like the text they hold', async () => {
        const messages = firstPrompt.map(({ role, content }) => ({
          role,
          content: [{ type: 'text', text: content }],
        })) as Params['messages']
        expect(await textOf({ messages })).toBe(await textOf())
      })

      it.each([
        ['n', { n: 2 }],
        ['tools', { tools: [{ type: 'function', function: { name: 'f' } }] }],
        ['frequency_penalty', { frequency_penalty: 1 }],
        ['logit_bias', { logit_bias: { 1: 1 } }],
        ['temperature', { temperature: 3 }],
        ['max_tokens', { max_tokens: 0 }],
        ['stop', { stop: ['1', '2', '3', '4', '5'] }],
        ['messages', { messages: [] }],
        ['magic', { magic: true }],
      ])('refuses %s it does not support, and says so', async (param, extra) => {
        const error = await failureOf(chat(extra as Partial<Params>))
        expect(error.status).toBe(400)
        expect(error.param).toContain(param)
      })

      it('refuses an image and a format it does not know', async () => {
        const image = {
          type: 'image_url' as const,
          image_url: { url: 'data:image/png;base64,AA==' },
        }
        const withImage = await failureOf(chat({ messages: [{ role: 'user', content: [image] }] }))
        expect([withImage.status, withImage.param]).toEqual([400, 'messages.0.content'])
        const json_schema = { name: 'x', schema: {} }
        const format = { type: 'json_schema' as const, json_schema }
        expect((await failureOf(chat({ response_format: format }))).status).toBe(400)
      })

      it('takes parameters that do not change the answer', async () => {
        const neutral = { user: 'u', store: false, metadata: { a: 'b' }, n: 1, presence_penalty: 0 }
        expect(await textOf(neutral)).toBe(await textOf())
      })

      it('answers 404 for an unknown model, 400 for a body that is not JSON', async () => {
        const error = await failureOf(chat({ model: 'nobody' }))
        expect([error.status, error.code]).toEqual([404, 'not_found'])
        const response = await fetch(`${driver.engine.baseUrl}/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${driver.engine.token}` },
          body: 'nonsense',
        })
        expect(response.status).toBe(400)
      })

      it('refuses a prompt over the context, streaming or not', async () => {
        const messages = capabilities.oversizedRow.messages.slice(0, -1) as Params['messages']
        for (const stream of [false, true]) {
          const error = await failureOf(
            driver.client.chat.completions.create({ model: lora, messages, stream })
          )
          expect([error.status, error.code]).toEqual([400, 'context_length_exceeded'])
        }
      })

      it('answers many requests at the same time as it answers them alone', async () => {
        const prompts = rows.slice(0, 4).map((row) => row.messages.slice(0, -1))
        const alone: string[] = []
        for (const prompt of prompts)
          alone.push(await textOf({ messages: prompt as Params['messages'] }))
        const together = prompts.map((prompt) => textOf({ messages: prompt as Params['messages'] }))
        expect(await Promise.all(together)).toEqual(alone)
      })
    })

    describe('tokenize and loss', () => {
      it('counts a bare text', async () => {
        const response = await driver.post('/tokenize', {
          model: baseModel,
          prompt: 'one two three',
        })
        const { count } = (await response.json()) as { count: number }
        expect(count).toBeGreaterThan(0)
        expect((await driver.post('/tokenize', { model: baseModel })).status).toBe(400)
        expect((await driver.post('/tokenize', { model: 'nobody', prompt: 'a' })).status).toBe(404)
      })

      needs('loss', 'gives each row’s mean loss, smaller after training', async () => {
        const ask = async (model: string) =>
          (await (await driver.post('/loss', { model, rows })).json()) as {
            losses: number[]
            tokens: number[]
          }
        const [base, trained] = [await ask(baseModel), await ask(lora)]
        expect(base.losses).toHaveLength(rows.length)
        expect(base.tokens.every((count) => count > 0)).toBe(true)
        expect(sum(trained.losses)).toBeLessThan(sum(base.losses))
        expect((await driver.post('/loss', { model: baseModel, rows: [] })).status).toBe(400)
      })
    })

    describe('restart', () => {
      needs('resume', 'goes on with the running job and the queued ones', async () => {
        // before the jobs: an engine that shares one GPU does not answer while it trains
        const said = await textOf()
        const training_file = await driver.upload(rows)
        const long = { model: baseModel, training_file, hyperparameters: longTraining, seed: 5 }
        const running = await driver.createJob(long)
        const queued = await driver.createJob({ ...long, hyperparameters: briefTraining })
        await until(
          () => driver.events(running.id),
          (events) => events.some((event) => event.type === 'metrics')
        )
        await driver.engine.close()
        driver = createDriver(await startEngine(dataDir))
        expect(await driver.finished(running.id)).toMatchObject({
          status: 'succeeded',
          error: null,
        })
        expect((await driver.finished(queued.id)).status).toBe('succeeded')
        const messages = (await driver.events(running.id)).map((event) => event.message)
        expect(messages).toContain('Resumed after a restart')
        expect((await driver.client.models.list()).data.map((model) => model.id)).toContain(lora)
        expect(await textOf()).toBe(said)
      })
    })
  })
}
