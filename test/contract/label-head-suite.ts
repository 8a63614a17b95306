/**
 * The label heads of the engine contract (docs/contract.md) as a suite, for every engine with
 * an encoder.
 */
import { readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChatCompletion, ChatRequest } from '../../src/openai/chat.ts'
import type { JobObject, ModelObject, TrainingRow } from '../../src/openai/fine-tuning.ts'
import { row } from './harness.ts'
import { createDriver, failureOf, type RunningEngine } from './driver.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const LABELS = ['card_lost', 'exchange_rate', 'transfer']
const TEXTS: Record<string, string[]> = {
  card_lost: ['my card is lost', 'where is my card', 'the card is lost', 'my new card is lost'],
  exchange_rate: ['the exchange rate', 'where is the exchange rate', 'the new rate', 'my rate ?'],
  transfer: ['transfer the money', 'my money is transfered', 'the transfer', 'transfers ?'],
}

/** Texts of 24 rows; none is twice. */
const ROWS: TrainingRow[] = LABELS.flatMap((label) =>
  TEXTS[label]!.flatMap((text) => [row(text, label), row(`${text} !`, label)])
)

const DEADLINE_MS = 280_000

const createHeadDriver = (running: RunningEngine) => {
  const driver = createDriver(running)
  const { client } = driver
  const createJob = (body: object): Promise<JobObject> =>
    driver.createJob({ method: { type: 'label-head' }, ...body })
  const ended = (id: string) => driver.finished(id, DEADLINE_MS)
  const ask = (body: Partial<ChatRequest>): Promise<ChatCompletion> =>
    client.post('/chat/completions', { body: { logprobs: true, top_logprobs: 3, ...body } })
  const losses = (model: string, rows: TrainingRow[]) =>
    client.post<{ losses: number[]; tokens: number[] }>('/loss', { body: { model, rows } })
  const models = async () => (await client.get<{ data: ModelObject[] }>('/models')).data
  return { ...driver, createJob, ended, ask, losses, models }
}

type Driver = ReturnType<typeof createHeadDriver>

const user = (content: string) => [{ role: 'user', content }]

/** @param encoder the encoder's id */
export const describeLabelHeads = (
  name: string,
  startEngine: (dataDir: string) => Promise<RunningEngine>,
  { encoder, baseModel, maxTokens }: { encoder: string; baseModel: string; maxTokens: number }
): void => {
  describe(`label heads: ${name}`, () => {
    const dataDir = sharedFolder()
    let engine: RunningEngine
    let driver: Driver
    let job: JobObject
    let head: string

    const restart = async () => {
      await engine.close()
      engine = await startEngine(dataDir)
      driver = createHeadDriver(engine)
    }

    /** A head of the rows. */
    const train = async (rows: TrainingRow[], more: object = {}): Promise<JobObject> => {
      const training_file = await driver.upload(rows)
      const created = await driver.createJob({ model: encoder, training_file, ...more })
      return driver.ended(created.id)
    }

    beforeAll(async () => {
      engine = await startEngine(dataDir)
      driver = createHeadDriver(engine)
      const validation_file = await driver.upload([row('my card is lost', 'card_lost')])
      job = await train(ROWS, { validation_file })
      head = job.fine_tuned_model!
    })
    afterAll(() => engine.close())

    it('lists the encoder beside the base model, and the head under the encoder', async () => {
      const models = await driver.models()
      expect(models.find(({ parent, kind }) => !parent && !kind)!.id).toBe(baseModel)
      expect(models.find(({ id }) => id === encoder)).toMatchObject({
        kind: 'encoder',
        max_model_len: maxTokens,
        training_methods: expect.arrayContaining(['label-head']) as string[],
        parameters: expect.any(Number) as number,
        fingerprint: expect.any(String) as string,
      })
      expect(models.find(({ id }) => id === head)).toMatchObject({
        kind: 'head',
        parent: encoder,
        max_model_len: maxTokens,
      })
    })

    it('trains a head and reports the loss on the validation file', async () => {
      expect(job).toMatchObject({ status: 'succeeded', method: { type: 'label-head' } })
      expect(head).toMatch(/^head-[0-9a-f]+$/)
      expect(job.trained_tokens).toBeGreaterThan(24 * 3)
      const { losses } = await driver.losses(head, [row('my card is lost', 'card_lost')])
      expect(job.result_metrics!.valid_loss).toBeCloseTo(losses[0]!, 4)
      expect(job.result_metrics!.train_loss).toBeLessThan(Math.log(3))
      const { data } = await driver.client.fineTuning.jobs.listEvents(job.id)
      const messages = data.map(({ message }) => message)
      // an engine may also encode the labels
      expect(messages).toContainEqual(expect.stringMatching(/^encoded (\d+) of \1 texts$/))
      expect(messages[0]).toContain(head)
    })

    it('answers with the label, its probability, the next ones and the distance', async () => {
      for (const [label, [text]] of Object.entries(TEXTS)) {
        const { choices, usage } = await driver.ask({ model: head, messages: user(text!) })
        const [choice] = choices
        expect(choice!.message.content).toBe(label)
        expect(choice!.finish_reason).toBe('stop')
        const [entry] = choice!.logprobs!.content!
        expect(choice!.logprobs!.content).toHaveLength(1)
        expect(entry!.token).toBe(label)
        expect(entry!.bytes).toEqual([...Buffer.from(label)])
        expect(entry!.top_logprobs.map(({ token }) => token)).toContain(label)
        const sum = entry!.top_logprobs.reduce((total, { logprob }) => total + Math.exp(logprob), 0)
        expect(sum).toBeCloseTo(1, 4)
        expect(choice!.distance).toBeCloseTo(0, 2)
        expect(usage).toMatchObject({ completion_tokens: 1 })
      }
      const far = await driver.ask({ model: head, messages: user('b b b , , , b') })
      expect(far.choices[0]!.distance).toBeGreaterThan(0.05)
      expect(far.choices[0]!.distance).toBeLessThanOrEqual(2)
    })

    it('reads the contents of all messages, and tells a message from a line', async () => {
      const messages = [{ role: 'system', content: 'where is' }, ...user('my card')]
      const joined = await driver.ask({ model: head, messages: user('where is\nmy card') })
      const parts = await driver.ask({ model: head, messages })
      expect(parts.choices[0]!.message.content).toBe(joined.choices[0]!.message.content)
      expect(parts.choices).not.toEqual(joined.choices)
      expect(parts.usage!.prompt_tokens).toBeGreaterThan(joined.usage!.prompt_tokens)
    })

    it('has no logprobs where they are not asked for, and still a distance', async () => {
      const { choices } = await driver.ask({
        model: head,
        messages: user('my card is lost'),
        logprobs: false,
        top_logprobs: null,
      })
      expect(choices[0]!.logprobs).toBeNull()
      expect(choices[0]!.distance).toBeCloseTo(0, 2)
    })

    it('streams the same answer', async () => {
      const whole = await driver.ask({ model: head, messages: user('where is my card') })
      const stream = await driver.client.chat.completions.create({
        model: head,
        messages: [{ role: 'user', content: 'where is my card' }],
        stream: true,
        stream_options: { include_usage: true },
        logprobs: true,
        top_logprobs: 3,
      })
      const chunks = []
      for await (const chunk of stream) chunks.push(chunk)
      const choices = chunks.flatMap((chunk) => chunk.choices)
      expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe(
        whole.choices[0]!.message.content
      )
      expect(choices.flatMap(({ logprobs }) => logprobs?.content ?? [])).toEqual(
        whole.choices[0]!.logprobs!.content
      )
      expect(choices.at(-1)).toMatchObject({
        finish_reason: 'stop',
        distance: whole.choices[0]!.distance,
      })
      expect(chunks.at(-1)!.usage).toEqual(whole.usage)
    })

    it('restricts the labels to the choices, and ignores those it does not know', async () => {
      const messages = user('my card is lost')
      const bound = await driver.ask({
        model: head,
        messages,
        structured_outputs: { choice: ['never seen', 'transfer', 'exchange_rate'] },
      })
      const [entry] = bound.choices[0]!.logprobs!.content!
      expect(['transfer', 'exchange_rate']).toContain(entry!.token)
      expect(entry!.top_logprobs.map(({ token }) => token).sort()).toEqual([
        'exchange_rate',
        'transfer',
      ])
      // a label that it would not choose has its probability among all labels
      const { losses } = await driver.losses(head, [row('my card is lost', entry!.token)])
      expect(entry!.logprob).toBeCloseTo(-losses[0]!, 4)
      const failure = await failureOf(
        driver.ask({ model: head, messages, structured_outputs: { choice: ['never seen'] } })
      )
      expect([failure.status, failure.param]).toEqual([400, 'structured_outputs.choice'])
    })

    it('honours a stop text, and refuses JSON where no label is an object', async () => {
      const messages = user('my card is lost')
      const cut = await driver.ask({ model: head, messages, stop: ['_'] })
      expect(cut.choices[0]!.message.content).toBe('card')
      const failure = await failureOf(
        driver.ask({ model: head, messages, response_format: { type: 'json_object' } })
      )
      expect([failure.status, failure.param]).toEqual([400, 'response_format'])
    })

    it('draws labels with a temperature, the same for the same seed', async () => {
      const messages = user('my new rate')
      const draw = async (seed: number) =>
        (await driver.ask({ model: head, messages, temperature: 2, seed })).choices[0]!.message
          .content
      const drawn = await Promise.all(Array.from({ length: 40 }, (_, seed) => draw(seed)))
      expect(new Set(drawn).size).toBeGreaterThan(1)
      expect(await draw(3)).toBe(drawn[3])
      const likeliest = await driver.ask({ model: head, messages })
      const narrow = await driver.ask({ model: head, messages, temperature: 2, top_p: 0.01 })
      expect(narrow.choices[0]!.message).toEqual(likeliest.choices[0]!.message)
    })

    it('cuts a text that is longer than its context, and says how much it read', async () => {
      const long = `my card is lost ${'money '.repeat(3000)}`
      const { usage } = await driver.ask({ model: head, messages: user(long) })
      expect(usage!.prompt_tokens).toBe(maxTokens)
      const { count } = await driver.client.post<{ count: number }>('/tokenize', {
        body: { model: head, messages: user(long) },
      })
      expect(count).toBeGreaterThan(3000)
    })

    it('computes losses of known labels', async () => {
      const { losses, tokens } = await driver.losses(
        head,
        LABELS.map((label) => row('the transfer', label))
      )
      expect(tokens).toEqual([1, 1, 1])
      const shares = losses.map((loss) => Math.exp(-loss))
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 4)
      expect(shares.indexOf(Math.max(...shares))).toBe(LABELS.indexOf('transfer'))
      const unknown = driver.losses(head, [row('the transfer', 'unknown')])
      expect((await failureOf(unknown)).status).toBe(400)
    })

    it('makes the same head of the same rows, and another one of other rows', async () => {
      const again = await train(ROWS)
      expect(again.fine_tuned_model).toBe(head)
      const other = await train(ROWS.slice(1), { suffix: 'other' })
      const made = other.fine_tuned_model!
      expect(made).toMatch(/^head-other-/)
      expect(made).not.toBe(head)
    })

    it('finds its heads again after a restart', async () => {
      const before = await driver.ask({ model: head, messages: user('where is my card') })
      await restart()
      const after = await driver.ask({ model: head, messages: user('where is my card') })
      expect(after.choices).toEqual(before.choices)
    })

    it('deletes a head', async () => {
      const id = (await train(ROWS.slice(2))).fine_tuned_model!
      await driver.client.delete(`/models/${id}`)
      expect((await driver.models()).some((model) => model.id === id)).toBe(false)
      expect((await failureOf(driver.ask({ model: id, messages: user('a') }))).status).toBe(404)
      expect((await readdir(join(dataDir, 'heads'))).some((file) => file.startsWith(id))).toBe(
        false
      )
      expect((await failureOf(driver.client.delete(`/models/${encoder}`))).status).toBe(400)
    })

    it('does not serve a damaged head, and serves the others', async () => {
      const id = (await train(ROWS.slice(3))).fine_tuned_model!
      await truncate(join(dataDir, 'heads', `${id}.head`), 500)
      await restart()
      expect((await driver.models()).map((model) => model.id)).not.toContain(id)
      const failure = await failureOf(driver.ask({ model: id, messages: user('a') }))
      expect([failure.status, failure.message]).toEqual([400, expect.stringContaining('damaged')])
      expect((await driver.ask({ model: head, messages: user('a') })).choices).toHaveLength(1)
    })

    it.each<[string, () => Promise<object>, string, RegExp]>([
      [
        'one label',
        async () => ({ training_file: await driver.upload(ROWS.slice(0, 8)) }),
        'training_file',
        /at least two labels/,
      ],
      [
        'a method that the encoder lacks',
        async () => ({
          training_file: await driver.upload(ROWS),
          method: { type: 'supervised' },
        }),
        'method',
        /is trained by label-head/,
      ],
      [
        'hyperparameters, of which a head has none',
        async () => ({
          training_file: await driver.upload(ROWS),
          hyperparameters: { rank: 8 },
        }),
        'hyperparameters.rank',
        /takes no hyperparameters/,
      ],
      [
        'a head of the base model',
        async () => ({ model: baseModel, training_file: await driver.upload(ROWS) }),
        'method',
        /is trained by/,
      ],
      [
        'a head of a head',
        async () => ({ model: head, training_file: await driver.upload(ROWS) }),
        'model',
        /is a head: train from its encoder/,
      ],
      [
        'rows that all have weight 0',
        async () => ({
          training_file: await driver.upload(ROWS.map((entry) => ({ ...entry, weight: 0 }))),
        }),
        'training_file',
        /weight 0/,
      ],
    ])('refuses to train %s', async (_, body, param, message) => {
      const failure = await failureOf(driver.createJob({ model: encoder, ...(await body()) }))
      expect([failure.status, failure.param]).toEqual([400, param])
      expect(failure.message).toMatch(message)
    })

    it('answers nothing itself: an encoder is not asked', async () => {
      const failure = await failureOf(driver.ask({ model: encoder, messages: user('a') }))
      expect([failure.status, failure.param]).toEqual([400, 'model'])
    })

    it('trains rows of one text with two labels, of which it cannot be sure', async () => {
      const rows = [row('card', 'a'), row('card', 'b'), row('card', 'b')]
      const made = (await train(rows)).fine_tuned_model!
      const { choices } = await driver.ask({ model: made, messages: user('card') })
      expect(choices[0]!.message.content).toBe('b')
      expect(Math.exp(choices[0]!.logprobs!.content![0]!.logprob)).toBeLessThan(0.9)
    })

    it(
      'trains 200 labels in Chinese with three rows each, and is unsure of each',
      { timeout: 300_000 },
      async () => {
        const labels = Array.from({ length: 200 }, (_, at) => `标签（${at}）`)
        const rows = Array.from({ length: 600 }, (_, at) => row(`卡 ${at}`, labels[at % 200]!))
        const created = await train(rows)
        expect(created.status).toBe('succeeded')
        const { choices } = await driver.ask({
          model: created.fine_tuned_model!,
          messages: user('卡 607'),
        })
        expect(labels).toContain(choices[0]!.message.content)
        // no row says anything of another one
        expect(Math.exp(choices[0]!.logprobs!.content![0]!.logprob)).toBeLessThan(0.1)
      }
    )
  })
}
