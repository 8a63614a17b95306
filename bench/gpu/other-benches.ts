/** Parts of `bench/gpu.sh` that run what is there already: tests, the contract suite, the loop, kills. */
import { spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProgress } from '../../src/cli/output.ts'
import { TRAINER } from '../../test/kit/process/gpu-process.ts'
import { fromRoot } from '../../test/kit/process/from-root.ts'
import { zero, type Figures, type Report } from '../../test/kit/report.ts'
import { orderOf, shelfOf } from '../../test/kit/traffic/shelf-orders.ts'
import { crashGpu } from '../crash/gpu.ts'
import { withEngine, type PartContext } from './part-context.ts'

const ROUNDS = 12
const DRY_ROUNDS = 2
const ORDERS = 3000

/** What it prints is this process's. @throws Error where the exit code is another one than `allowed` */
const run = async (
  command: string,
  args: string[],
  allowed: number[],
  options: SpawnOptions = {}
): Promise<void> => {
  const child = spawn(command, args, {
    cwd: fromRoot('.'),
    stdio: ['ignore', 'inherit', 'inherit'],
    ...options,
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code === null || !allowed.includes(code))
    throw new Error(`${command} ${args[0]} ended with ${code ?? 'a signal'}`)
}

/** A failed test is a figure. */
const testFigures = (passed: number, failed: number, skipped: number): Figures => ({
  passed: { value: passed, unit: 'tests' },
  failed: zero(failed, 'tests'),
  skipped: { value: skipped, unit: 'tests' },
})

export const runTests = async ({ folder, isDry }: PartContext): Promise<Figures> => {
  const tests = `adapters/trainer/tests${isDry ? '/test_losses.py' : ''}`
  const output = join(folder, 'tests.xml')
  await run(TRAINER.python, ['-m', 'pytest', '--quiet', tests, `--junitxml=${output}`], [0, 1])
  const report = readFileSync(output, 'utf8')
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(report)?.[1] ?? 0)
  const failed = count('failures') + count('errors')
  return testFigures(count('tests') - failed - count('skipped'), failed, count('skipped'))
}

/** On a GPU the suite over vLLM itself; without one a test of it over the stand-in. */
export const runContract = async ({ folder, isDry }: PartContext): Promise<Figures> => {
  const output = join(folder, 'contract.json')
  const named = isDry ? 'lists the base model' : 'vLLM itself'
  const files = ['test/e2e/contract/gpu.test.ts', '--testNamePattern', named]
  const reporters = ['--reporter=json', '--reporter=default', `--outputFile=${output}`]
  await run('npx', ['vitest', 'run', ...files, ...reporters], [0, 1])
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(
    readFileSync(output, 'utf8')
  ) as Record<'numPassedTests' | 'numFailedTests' | 'numPendingTests', number>
  if (numPassedTests + numFailedTests === 0) throw new Error(`no test is named “${named}”`)
  return testFigures(numPassedTests, numFailedTests, numPendingTests)
}

/** A task of made-up orders, which any model can learn. */
const writeOrders = (folder: string): string => {
  const rows = Array.from({ length: ORDERS }, (_, number) => ({
    query: orderOf(number).messages[1]!.content,
    answer: shelfOf(number),
    meta: { id: `order-${number}` },
  }))
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`)
  const messages = [orderOf(0).messages[0]!, { role: 'user', content: '{{query}}' }]
  mkdirSync(folder)
  writeFileSync(join(folder, 'prefix.json'), JSON.stringify({ messages }))
  writeFileSync(join(folder, 'train.jsonl'), lines.slice(0, -500).join(''))
  writeFileSync(join(folder, 'test.jsonl'), lines.slice(-500).join(''))
  return folder
}

export const runLoop = async (context: PartContext): Promise<Figures> => {
  const { folder, models, isDry } = context
  const task = context.task ?? writeOrders(join(folder, 'task'))
  const out = join(folder, 'loop.json')
  const sizes = isDry
    ? ['--train', '120', '--holdout', '120', '--test-rows', '20']
    : ['--train', '1000', '--holdout', '600', '--test-rows', '300', '--minutes', '3']
  const options = ['--task', task, ...sizes, '--learn', 'query-only', '--arms', 'none']
  return withEngine(context, models[0]!, async ({ process: engine }) => {
    const args = ['--import', 'tsx', 'bench/task.ts', '--engine-url', engine.baseUrl, '--out', out]
    const env = { ...process.env, ENGINE_TOKEN: engine.token }
    await run(process.execPath, [...args, ...options], [0], { env })
    return (JSON.parse(readFileSync(out, 'utf8')) as Report).figures
  })
}

export const runCrash = ({ models, isDry }: PartContext): Promise<Figures> =>
  crashGpu({
    rounds: isDry ? DRY_ROUNDS : ROUNDS,
    seed: 1,
    engine: 'gpu',
    model: isDry ? null : models[0]!,
    progress: createProgress(),
  })
