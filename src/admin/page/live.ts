/** Tells open views that something changed. They load themselves again, so no text is in an event. */
import { streamSSE } from 'hono/streaming'
import { progressSnapshot } from '../../core/lifecycle/internalization.ts'
import { AppError } from '../../errors.ts'
import { forgetTasks } from '../../lifecycle/forget-task.ts'
import type { Store } from '../../store/store.ts'
import type { AddView } from './env.ts'

const POLL_MS = 2000
/** A view reconnects by itself; a connection that nobody closed ends. */
const MAX_AGE_MS = 10 * 60_000
const MAX_CONNECTIONS = 100

/** Changes with every change that a view shows at once. */
const revisionOf = async (store: Store): Promise<string> => {
  const progress = await store.snapshots.all(progressSnapshot(''))
  const parts = [
    await store.routes.revision(),
    await store.internalizations.revision(),
    await store.pairs.revision(),
    (await forgetTasks(store)).length,
    ...[...progress.values()].map((bytes) => Buffer.from(bytes).toString()),
  ]
  return parts.join('\n')
}

export const addLive: AddView = (app, { store, now }) => {
  let connections = 0
  app.get('/live', (context) => {
    if (connections >= MAX_CONNECTIONS)
      throw new AppError('overloaded', `${MAX_CONNECTIONS} views are open already`)
    connections++
    return streamSSE(context, async (stream) => {
      const end = now() + MAX_AGE_MS
      try {
        let seen = await revisionOf(store)
        while (now() < end) {
          await stream.sleep(POLL_MS)
          // the store may be closed by now
          if (stream.aborted) break
          const revision = await revisionOf(store)
          if (revision !== seen) await stream.writeSSE({ data: 'changed' })
          seen = revision
        }
      } finally {
        connections--
      }
    })
  })
}
