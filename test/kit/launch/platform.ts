/** What a platform of managed runs does, without a machine; its APIs are beside it. */
import type { RunStatus } from '../../../adapters/launch/managed-runs.ts'

export interface PlatformRun {
  id: number
  name: string
  env: Record<string, string>
  /** `unheard`: a status that no client knows */
  state: RunStatus['state'] | 'unheard'
  log: string
}

export class Platform {
  readonly runs: PlatformRun[] = []
  /** every request gets this HTTP status; null: none */
  fault: number | null = null
  /** a run that is submitted has begun; the test gives it its states */
  onSubmit: (run: PlatformRun) => void = () => undefined
  onCancel: (run: PlatformRun) => void = () => undefined

  submit(name: string, env: Record<string, string>): PlatformRun {
    const run: PlatformRun = { id: this.runs.length + 1, name, env, state: 'queued', log: '' }
    this.runs.push(run)
    this.onSubmit(run)
    return run
  }

  find(name: string): PlatformRun | undefined {
    return this.runs.findLast((run) => run.name === name)
  }

  isActive(run: PlatformRun): boolean {
    return !['done', 'failed', 'lost', 'stopped'].includes(run.state)
  }

  cancel(name: string): void {
    const run = this.find(name)
    if (run === undefined || !this.isActive(run)) return
    run.state = 'stopped'
    this.onCancel(run)
  }
}
