/** What a platform of managed runs gives. */

export interface RunStatus {
  /**
   * `failed`: the task itself ended so. `lost`: the platform could not run it to its end. `stopped`: a
   * person ended it there. What a platform restarts by itself is `queued` meanwhile.
   */
  state: 'queued' | 'running' | 'done' | 'failed' | 'lost' | 'stopped'
  /** in the platform's words */
  detail: string
}

/** A platform's runs. A name is given to one run only. */
export interface ManagedRuns {
  /** of the platform */
  platform: string
  /** time until a run that was submitted is listed */
  listedWithinMs: number
  /**
   * Resolves when the platform has the run or may get it yet. After an abort it may, too.
   * @throws AppError `engine-unavailable` when it has not, and may be asked again; another code when it refuses
   */
  submit(name: string, env: Record<string, string>, signal: AbortSignal): Promise<void>
  /** Null when it knows none of that name. @throws AppError `engine-unavailable` */
  status(name: string): Promise<RunStatus | null>
  /** The run may end later. @throws AppError `engine-unavailable` */
  cancel(name: string): Promise<void>
  /** What the run wrote last. @throws AppError `engine-unavailable` */
  lastLines(name: string): Promise<string>
}

export const isActive = (state: RunStatus['state']): boolean =>
  state === 'queued' || state === 'running'
