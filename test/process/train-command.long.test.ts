/** Trainings by an operator's command: what it is given, what of it the job is told, and how it ends. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  createTraining,
  type TrainCommand,
  type Trained,
} from '../../adapters/gpu/train-command.ts'
import type { AppError } from '../../src/errors.ts'
import { fromRoot } from '../kit/process/from-root.ts'
import { commandLine } from '../kit/process/proxy-process.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()

/** A process that nothing has waited for yet has no command line. */
const isAlive = (pid: number): boolean =>
  existsSync(`/proc/${pid}/cmdline`) && commandLine(pid) !== ''

const OUTPUT = 'adapter_model.safetensors'
const metrics = { steps: 10, seconds: 1, tokens_per_second: 1, train_loss: 0.5, valid_loss: null }
const LINES = {
  message: (message: string) => ({ kind: 'message', level: 'info', message }),
  step: (step: number) => ({ kind: 'progress', step, total_steps: 10, tokens_per_second: 1 }),
  failed: (code: string, message: string, transient: boolean) => ({
    kind: 'failed',
    error: { code, message },
    transient,
  }),
  trained: {
    kind: 'trained',
    trained_tokens: 100,
    metrics,
    probe: { base: [-1], lora: [-0.1] },
    output_bytes: { [OUTPUT]: 4 },
  },
}
const TRAINED = expect.objectContaining(LINES.trained)
const MADE = `mkdir -p output; printf lora > output/${OUTPUT}`

/** Shell that replaces the report by these lines, numbered from `first` on, as the trainer does. */
const report = (first: number, ...lines: object[]): string => {
  const text = lines.map((line, at) => JSON.stringify({ ...line, number: first + at })).join('\n')
  return `cat > "$PROMPTINTERN_REPORT.new" <<'LINES'\n${text}\nLINES\nmv "$PROMPTINTERN_REPORT.new" "$PROMPTINTERN_REPORT"`
}

const TIMES = { reportMs: 20, failureMs: 200, settleMs: 2_000, silentMs: 60_000, stopMs: 5_000 }

describe('a training by a command', () => {
  let task: { file: string; identity: string }
  let job: string
  const messages: string[] = []
  const steps: number[] = []

  beforeEach(() => {
    job = join(mkdtempSync(join(folder, 'data ')), 'jobs/ftjob-1/checkpoint')
    mkdirSync(job, { recursive: true })
    task = { file: join(job, 'task.json'), identity: 'one' }
    writeFileSync(task.file, '{}')
    messages.length = 0
    steps.length = 0
  })
  afterEach(() => rmSync(dirname(dirname(dirname(job))), { recursive: true, force: true }))

  /** In the job's folder; `steps` are tried one after the other, a run each. */
  const train = (script: string | string[], more: Partial<TrainCommand> = {}) => {
    const runs = [script].flat()
    const cases = runs.map((text, at) => `${at + 1})\n${text}\n;;`).join('\n')
    const file = join(folder, 'command.sh')
    writeFileSync(
      file,
      `cd "$(dirname "$PROMPTINTERN_TASK")"\necho run >> runs\ncase $(wc -l < runs) in\n${cases}\nesac\n`
    )
    const abort = new AbortController()
    const run = createTraining({
      command: `. '${file}'`,
      python: 'no-python',
      script: fromRoot('adapters/trainer/train.py'),
      env: process.env,
      log: () => undefined,
      times: TIMES,
      ...more,
    })
    const result = run(task, {
      signal: abort.signal,
      onMessage: (_level, message) => void messages.push(message),
      onProgress: ({ step }) => void steps.push(step),
    })
    const error = result.then(
      (trained: Trained) => Promise.reject(new Error(`it was trained: ${trained.trained_tokens}`)),
      (thrown: AppError) => thrown
    )
    error.catch(() => undefined)
    return { result, error, abort }
  }

  const runs = (): number => readFileSync(join(job, 'runs'), 'utf8').length / 'run\n'.length

  it('gets the task, and tells how it goes and what came out', async () => {
    const script = [
      `env > seen`,
      `test -f "$PROMPTINTERN_TRAINER/train.py"`,
      report(1, LINES.message('begun'), LINES.step(3)),
      `sleep 0.3`,
      MADE,
      report(1, LINES.message('begun'), LINES.step(9), LINES.trained),
    ].join('\n')
    const env = { ...process.env, ENGINE_TOKEN: 'hush', AWS_SECRET_ACCESS_KEY: 'its own' }
    const { result } = train(script, { env })
    expect(await result).toEqual(TRAINED)
    expect(messages).toEqual(['begun'])
    expect(steps).toContain(3)
    const seen = readFileSync(join(job, 'seen'), 'utf8')
    expect(seen).toContain(`PROMPTINTERN_TASK=${task.file}\n`)
    expect(seen).toMatch(/^PROMPTINTERN_RUN=promptintern-[0-9a-f]{12}$/m)
    // a cluster's client is logged in by its environment
    expect(seen).toContain('AWS_SECRET_ACCESS_KEY=its own')
    expect(seen).not.toContain('hush')
  })

  it('is told once what it says on stdout and in the report', async () => {
    const script = [
      `echo '${JSON.stringify({ ...LINES.message('begun'), number: 1 })}'`,
      `echo 'what a library prints'; echo '{"kind": "mess'`,
      report(1, LINES.message('begun')),
      `sleep 0.2`,
      MADE,
      report(1, LINES.message('begun'), LINES.trained),
    ].join('\n')
    expect(await train(script).result).toEqual(TRAINED)
    expect(messages).toEqual(['begun'])
  })

  it('fails the job as the trainer does', async () => {
    const failed = LINES.failed('context-length-exceeded', 'row 3 is too long', false)
    const { error } = train(`${report(1, failed)}\nexit 1`)
    expect(await error).toMatchObject({
      code: 'context-length-exceeded',
      message: 'row 3 is too long',
    })
    expect(runs()).toBe(1)
  })

  it('that fails for now goes on from its checkpoint, but not for ever', async () => {
    const failed = LINES.failed('store-unavailable', 'no disk', true)
    const first = `${report(1, LINES.step(1), failed)}\nexit 75`
    const later = (number: number) => `${report(number, failed)}\nexit 75`
    const { error } = train([first, later(3), later(4)])
    expect(await error).toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/no disk\) after step 0, 3 times; see what ENGINE_TRAIN_COMM/),
    })
    expect(runs()).toBe(3)
  })

  it('that is killed is started again, and told no line twice', async () => {
    const first = `${report(1, LINES.message('begun'), LINES.step(2))}\nsleep 0.2\nkill -9 $$`
    const second = `${MADE}\n${report(1, LINES.message('begun'), LINES.message('again'), LINES.step(7), LINES.trained)}`
    // as the trainer does, whose numbers go on
    const { result } = train([first, second.replaceAll('"number":2', '"number":5')])
    expect(await result).toEqual(TRAINED)
    expect(messages.filter((message) => message === 'begun')).toHaveLength(1)
    expect(messages.join()).toMatch(/died \(SIGKILL.*\) after step 2; it is started again/)
    expect(runs()).toBe(2)
  })

  it('that the platform runs again by itself tells why', async () => {
    const failed = LINES.failed('engine-unavailable', 'the GPU failed', true)
    const script = [
      report(1, failed),
      'sleep 0.2',
      MADE,
      report(2, LINES.message('the training was started again')),
      'sleep 0.2',
      report(2, LINES.message('the training was started again'), LINES.trained),
    ].join('\n')
    expect(await train(script).result).toEqual(TRAINED)
    expect(messages).toEqual(['the GPU failed; it is run again', 'the training was started again'])
  })

  it('that ends before training fails the job with its last words', async () => {
    const { error } = train(`echo 'no cloud is enabled' >&2\nexit 3`)
    expect(await error).toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/before training: exit code 3; .*no cloud is enabled/),
    })
    expect(runs()).toBe(1)
  })

  it('that is missing fails the job with what to do', async () => {
    const { error } = train('', { command: 'no-such-program' })
    expect(await error).toMatchObject({
      code: 'invalid-config',
      message: expect.stringMatching(/no-such-program.*not found/),
    })
  })

  it('that ends well without a word of the trainer is no training', async () => {
    const times = { ...TIMES, settleMs: 100 }
    const { error } = train('exit 0', { times })
    expect(await error).toMatchObject({
      code: 'engine-unavailable',
      message: expect.stringMatching(/before training: exit code 0/),
    })
  })

  it('may end before what another machine has written is seen here', async () => {
    const late = [report(1, LINES.trained), 'sleep 0.3', MADE].join('\n')
    // in a group of its own, as another machine is
    writeFileSync(join(job, 'late.sh'), `sleep 0.3\n${late}`)
    expect(await train('setsid sh ./late.sh >/dev/null 2>&1 & sleep 0.1').result).toEqual(TRAINED)
    rmSync(join(job, 'output'), { recursive: true })
    rmSync(join(job, 'runs'))
    const { error } = train(report(3, LINES.trained), { times: { ...TIMES, settleMs: 200 } })
    expect(await error).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/has not arrived in .*output: is the folder shared/),
    })
  })

  it('that finds the training done, after the engine was killed, takes what came out', async () => {
    expect(await train(`${MADE}\n${report(1, LINES.step(9), LINES.trained)}`).result).toEqual(
      TRAINED
    )
    rmSync(join(job, 'runs'))
    expect(await train('exit 0').result).toEqual(TRAINED)
    expect(steps).toEqual([9])
  })

  it('that says nothing for too long is ended and started again', async () => {
    const hangs = `${report(1, LINES.step(1))}\nsleep 60 & echo $! > child; wait`
    const done = `${MADE}\n${report(3, LINES.trained)}`
    const { result } = train([hangs, done], { times: { ...TIMES, silentMs: 4_000 } })
    expect(await result).toEqual(TRAINED)
    expect(runs()).toBe(2)
    const child = Number(readFileSync(join(job, 'child'), 'utf8'))
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false)
  })

  it('that goes on after the end of the training is ended', async () => {
    const script = `${MADE}\n${report(1, LINES.trained)}\nsleep 60`
    const times = { ...TIMES, settleMs: 200, stopMs: 100 }
    expect(await train(script, { times }).result).toEqual(TRAINED)
  })

  it('is told when the job is cancelled, and ends with all that it has started', async () => {
    const script = [
      `trap 'echo cancelled > told; exit 143' TERM`,
      `sleep 60 & echo $! > child`,
      report(1, LINES.step(1)),
      'wait',
    ].join('\n')
    const { error, abort } = train(script)
    await expect.poll(() => steps, { timeout: 20_000 }).toEqual([1])
    abort.abort(new Error('enough'))
    expect(await error).toMatchObject({ message: 'enough' })
    expect(readFileSync(join(job, 'told'), 'utf8')).toBe('cancelled\n')
    const child = Number(readFileSync(join(job, 'child'), 'utf8'))
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false)
    expect(runs()).toBe(1)
  })

  it('may be a script that is told, and has the time to tell a cluster', async () => {
    const script = join(folder, 'recipe.sh')
    writeFileSync(
      script,
      `#!/bin/sh\ntrap 'sleep 0.5; echo cancelled > told; exit 143' TERM\n${report(1, LINES.step(1))}\nsleep 60 & wait $!\n`
    )
    const { error, abort } = train(`sh '${script}'; echo never > after`)
    await expect.poll(() => steps, { timeout: 20_000 }).toEqual([1])
    abort.abort(new Error('enough'))
    expect(await error).toMatchObject({ message: 'enough' })
    expect(readFileSync(join(job, 'told'), 'utf8')).toBe('cancelled\n')
    expect(existsSync(join(job, 'after'))).toBe(false)
  })

  it('that does not end when it is told to is killed', async () => {
    const script = [`trap '' TERM`, report(1, LINES.step(1)), 'sleep 60 & wait; wait'].join('\n')
    const { error, abort } = train(script, { times: { ...TIMES, stopMs: 200 } })
    await expect.poll(() => steps, { timeout: 20_000 }).toEqual([1])
    abort.abort(new Error('enough'))
    expect(await error).toMatchObject({ message: 'enough' })
  })
})
