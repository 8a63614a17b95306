/**
 * Kills the server, or one of its processes, with SIGKILL at random moments from approval to a rollback,
 * while clients ask: the answers of the upstream agree with the lora until the route has all of the traffic,
 * and then change. Counts pairs lost or counted twice, evidence that the rows do not have, answers beyond the
 * border in force, and answers by a route after its rollback.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../../src/random.ts'
import { build } from '../../test/kit/process/build.ts'
import { startReplayUpstream } from '../../test/kit/upstream/replay-upstream.ts'
import type { Figures } from '../../test/kit/report.ts'
import { Loop, type LoopDeps, type Phase } from './rollout/loop.ts'
import { prepare } from './rollout/prepare.ts'
import { emptyTally, figuresOf } from './rollout/tally.ts'
import { targetAt } from './rollout/victims.ts'
import type { CrashOptions } from './server.ts'

const MAX_LIFE_MS = 2_000
/** At the moment of a step, a move of the border or a rollback. */
const SHORT_LIFE_MS = 200

const STAGES: Phase[] = ['canary 5 %', 'canary 25 %', 'full']

interface Run extends LoopDeps {
  random: () => number
  isOver: () => boolean
}

/** Kills after a random part of a time, unless there were kills enough. */
const killWithin = async (loop: Loop, { random, isOver }: Run, ms: number): Promise<void> => {
  if (isOver()) return
  await delay(random() * ms)
  await loop.kill(targetAt(random()))
}

const runLoop = async (loop: Loop, run: Run): Promise<void> => {
  await loop.start()
  await killWithin(loop, run, MAX_LIFE_MS)
  await loop.promote(!run.isOver())
  await killWithin(loop, run, SHORT_LIFE_MS)
  for (const index of STAGES.keys()) {
    await loop.reach(...STAGES.slice(index))
    if (index === 0) {
      await loop.nearBorder()
      await killWithin(loop, run, SHORT_LIFE_MS)
    }
    await killWithin(loop, run, SHORT_LIFE_MS)
    await killWithin(loop, run, MAX_LIFE_MS)
  }
  await loop.reach('full')
  await loop.settle()
  loop.change()
  await killWithin(loop, run, MAX_LIFE_MS)
  await loop.nearRollback()
  await killWithin(loop, run, MAX_LIFE_MS)
  await loop.reach('retired')
  await killWithin(loop, run, SHORT_LIFE_MS)
  await killWithin(loop, run, MAX_LIFE_MS)
  await loop.finish()
}

export const crashRollout = async ({
  rounds,
  seed,
  progress,
}: Pick<CrashOptions, 'rounds' | 'seed' | 'progress'>): Promise<Figures> => {
  const built = build('bench-crash', [
    'src/cli.ts',
    'src/store/thread/thread.ts',
    'adapters/fake/process.ts',
  ])
  const folder = mkdtempSync(join(tmpdir(), 'promptintern-rollout-'))
  const upstream = await startReplayUpstream()
  const tally = emptyTally()
  const isOver = () => {
    progress.update('kills', tally.kills.length, rounds, `loop ${tally.ends.length + 1}`)
    return tally.kills.length >= rounds
  }
  let loop: Loop | null = null
  try {
    const cli = built.pathOf('src/cli.ts')
    const prepared = await prepare(folder, upstream, cli)
    const run: Run = { prepared, upstream, cli, tally, random: seededRandom(seed), isOver }
    while (!isOver()) {
      const dataDir = join(folder, `loop-${tally.ends.length}`)
      loop = new Loop(run, dataDir)
      await runLoop(loop, run)
      loop = null
      rmSync(dataDir, { recursive: true })
    }
    progress.stop()
    return figuresOf(tally)
  } finally {
    await loop?.abandon()
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
    built.remove()
  }
}
