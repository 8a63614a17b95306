/** How often the worker asks an engine whether it answers. */
import { expect, it } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { AppError } from '../../src/errors.ts'
import { watchEngine } from '../../src/worker/engine/watch.ts'

const NOW = 1_700_000_000_000

const openWatch = () => {
  const clock = { now: NOW }
  const answers = { isAway: true }
  const asked: number[] = []
  const logged: string[] = []
  const models = async () => {
    asked.push(clock.now)
    if (answers.isAway) throw new AppError('engine-unavailable', 'away')
    return [{ id: 'base' }]
  }
  const watch = watchEngine({ name: 'gpu', models } as unknown as Engine, {
    now: () => clock.now,
    sleep: (_ms, signal) =>
      new Promise((resolve) => signal?.addEventListener('abort', () => resolve())),
    log: ({ message }) => logged.push(message),
  })
  /** Asks once a second. @returns the seconds at which the engine was asked */
  const during = async (seconds: number): Promise<number[]> => {
    const from = asked.length
    const start = clock.now
    for (let second = 0; second < seconds; second++) {
      await watch.present()
      clock.now += 1000
    }
    return asked.slice(from).map((at) => (at - start) / 1000)
  }
  return { clock, answers, logged, watch, during }
}

it('pauses between two questions grow to a minute, and one line says that the engine is away', async () => {
  const { during, logged } = openWatch()
  expect(await during(244)).toEqual([0, 1, 3, 7, 15, 31, 63, 123, 183, 243])
  expect(logged).toHaveLength(1)
})

it('pauses begin anew only once the engine has answered for a minute', async () => {
  const { during, answers, watch } = openWatch()
  await during(7)
  answers.isAway = false
  // the fourth question gets the first answer
  expect(await during(1)).toEqual([0])
  answers.isAway = true
  expect(await during(68)).toEqual([59, 67])
  answers.isAway = false
  await during(130)
  answers.isAway = true
  watch.lost()
  expect(await during(8)).toEqual([1, 3, 7])
})

it('a clock that is set back does not silence the questions', async () => {
  const { during, answers, clock } = openWatch()
  answers.isAway = false
  await during(2)
  clock.now -= 3_600_000
  expect(await during(1)).toEqual([0])
})
