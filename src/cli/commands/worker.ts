import { Command } from 'commander'
import { onParentEnd } from '../../process/supervise.ts'
import { createWorker } from '../../worker/worker.ts'
import { asWorker } from '../context.ts'
import { stopSignal } from '../stop-signal.ts'

/** Ends also when the parent that forked this process exits, also while this process starts. */
const work = async ({ untilIdle }: { untilIdle: boolean }): Promise<void> => {
  const parent = new AbortController()
  const stopListening = onParentEnd(() => parent.abort())
  try {
    await asWorker(async (deps) => {
      const signal = AbortSignal.any([stopSignal(), parent.signal])
      const worker = await createWorker(deps)
      await (untilIdle ? worker.catchUp(signal) : worker.run(signal))
    })
  } finally {
    stopListening()
  }
}

export const workerCommand = (): Command =>
  new Command('worker')
    .description('run only the background work: detect, internalize, evaluate, promote')
    .option('--until-idle', 'exit when the whole log is read and no work is left', false)
    .action(work)
