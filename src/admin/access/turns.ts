/**
 * Reads of one role, a few at a time. The store answers in the order in which it is asked, so the many reads of one
 * token would be before the one read of another.
 */
import type { Context, Env, MiddlewareHandler } from 'hono'
import { AppError } from '../../errors.ts'
import { isRead, type AdminRole } from './roles.ts'

const MAX_AT_ONCE = 4
const MAX_WAITING = 100

export class Turns {
  private running = 0
  private readonly waiting: (() => void)[] = []

  /**
   * Does the work when its turn has come.
   * @param hasLeft whether the work is not wanted any more, asked then
   * @throws AppError `overloaded` where too many wait, `client-closed` where it is not wanted
   */
  async take(work: () => Promise<void>, hasLeft: () => boolean): Promise<void> {
    if (this.running < MAX_AT_ONCE) this.running++
    else await this.turn()
    try {
      if (hasLeft()) throw new AppError('client-closed', 'the client left before its turn')
      await work()
    } finally {
      const next = this.waiting.shift()
      if (next === undefined) this.running--
      else next()
    }
  }

  /** A turn is handed on by the work that ends. */
  private turn(): Promise<void> {
    if (this.waiting.length >= MAX_WAITING)
      throw new AppError(
        'overloaded',
        `${MAX_WAITING} reads with this token are already waiting; try again soon`,
        {
          retryAfterSeconds: 1,
        }
      )
    return new Promise((resolve) => this.waiting.push(resolve))
  }
}

/** The part of Node's request that tells whether its client is still there; absent without a server. */
type Asked = { incoming?: { socket: { destroyed: boolean } } } | undefined

const hasLeft = ({ env }: Context): boolean => (env as Asked)?.incoming?.socket.destroyed === true

/** Lets a read wait for its turn among those of its role. */
export const takeTurns =
  <E extends Env>(
    turns: Record<AdminRole, Turns>,
    roleOf: (context: Context<E>) => AdminRole
  ): MiddlewareHandler<E> =>
  (context, next) =>
    isRead(context.req.method) ? turns[roleOf(context)].take(next, () => hasLeft(context)) : next()
