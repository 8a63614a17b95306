/**
 * Keeps a store's thread running: one that ends is started again, after growing pauses. Until then every call is
 * refused at once. A transaction that was open is rolled back with its connection, and what was acknowledged is
 * durable.
 */
import { AppError } from '../../errors.ts'
import { closedError, type CallThread, type Channel } from './channel.ts'

const FIRST_PAUSE_MS = 100
const MAX_PAUSE_MS = 10_000
/** After a thread has run this long, the next pause is the first one again. */
const STABLE_MS = 60_000

export interface KeeperEvents {
  /** takes why the thread ended, and each failure to start it again */
  onDown: (error: AppError) => void
  /** called when it runs again */
  onUp: () => void
}

export interface Kept {
  first: Channel
  call: CallThread
  close: () => Promise<void>
}

const downError = (): AppError =>
  new AppError('store-unavailable', 'the store thread ended and is started again')

/**
 * @param open starts a thread, and calls back when it ends
 * @throws AppError of the store, when the first thread cannot open it
 */
export const keepOpen = async (
  open: (onDeath: (error: AppError) => void) => Promise<Channel>,
  { onDown, onUp }: KeeperEvents
): Promise<Kept> => {
  let channel: Channel | null = null
  let isClosed = false
  let pauseMs = FIRST_PAUSE_MS
  let startedAt = performance.now()
  let timer: NodeJS.Timeout | undefined

  const restartLater = (error: AppError): void => {
    channel = null
    if (isClosed) return
    onDown(error)
    if (performance.now() - startedAt > STABLE_MS) pauseMs = FIRST_PAUSE_MS
    timer = setTimeout(() => void restart(), pauseMs)
    pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)
  }
  const restart = async (): Promise<void> => {
    startedAt = performance.now()
    try {
      const again = await open(restartLater)
      if (isClosed) return void (await again.call(null, 'close', []))
      channel = again
      onUp()
    } catch (error) {
      restartLater(error as AppError)
    }
  }

  const first = await open(restartLater)
  channel = first
  return {
    first,
    call: (...parameters) => {
      if (channel !== null) return channel.call(...parameters)
      return Promise.reject(isClosed ? closedError() : downError())
    },
    close: async () => {
      isClosed = true
      clearTimeout(timer)
      const last = channel
      await last?.call(null, 'close', [])
    },
  }
}
