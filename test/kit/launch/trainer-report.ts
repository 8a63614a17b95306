/** What `adapters/trainer/train.py` leaves in a shared folder, without training. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PlatformRun } from './platform.ts'

const OUTPUT = 'adapter_model.safetensors'

type Line = { kind: string; number: number }

const linesOf = (file: string): Line[] => {
  try {
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line)
  } catch {
    return []
  }
}

/** Messages stay, of progress the last; an end is dropped by what comes after it. */
const add = ({ env }: PlatformRun, fields: { kind: string }): void => {
  const file = env['PROMPTINTERN_REPORT'] ?? ''
  const before = linesOf(file)
  const number = (before.at(-1)?.number ?? 0) + 1
  const kept = before.filter(({ kind }) => kind === 'message')
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(
    file,
    [...kept, { ...fields, number }].map((line) => `${JSON.stringify(line)}\n`).join('')
  )
}

export const reportMessage = (run: PlatformRun, message: string): void =>
  add(run, { kind: 'message', level: 'info', message } as { kind: string })

export const reportStep = (run: PlatformRun, step: number): void =>
  add(run, {
    kind: 'progress',
    step,
    total_steps: 10,
    tokens_per_second: 1,
    train_loss: 0.5,
    valid_loss: null,
    eta_seconds: 1,
  } as { kind: string })

export const reportFailure = (
  run: PlatformRun,
  code: string,
  message: string,
  transient: boolean
): void => add(run, { kind: 'failed', error: { code, message }, transient } as { kind: string })

/** @param bytes those that have arrived; the report says 4 */
export const reportTrained = (run: PlatformRun, bytes = 4): void => {
  writeOutput(run, bytes)
  const metrics = { steps: 10, seconds: 1, tokens_per_second: 1, train_loss: 0.5, valid_loss: null }
  add(run, {
    kind: 'trained',
    trained_tokens: 100,
    metrics,
    probe: { base: [-1], lora: [-0.1] },
    output_bytes: { [OUTPUT]: 4 },
  } as { kind: string })
}

export const writeOutput = ({ env }: PlatformRun, bytes: number): void => {
  const folder = join(dirname(env['PROMPTINTERN_TASK'] ?? ''), 'output')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, OUTPUT), 'lora'.slice(0, bytes))
}
