/** A command that ends with this process, and all that it started with it. */
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { signalGroup } from '../../src/process/signal-group.ts'
import { forkModule, moduleBeside } from '../../src/process/supervise.ts'

/** Lines of its output, for the message when it ends. */
const KEPT_LINES = 30
/** For its last lines, where a process outside its group keeps its output open. */
const LAST_LINES_MS = 1000

export class LeashedChild {
  /** Resolves with its signal or exit code. */
  readonly ended: Promise<string>
  private readonly child: ChildProcess
  private readonly lines: string[] = []
  private group: number | undefined
  private isEnded = false

  /**
   * @param onLine gets its output; a command that does not exist ends with exit code 127
   * @param graceMs for the command when this process is killed
   */
  constructor(
    command: string[],
    env: NodeJS.ProcessEnv,
    onLine: (line: string) => void,
    graceMs = 0
  ) {
    this.child = forkModule(moduleBeside(import.meta.url, 'leash'), {
      arguments: [String(graceMs), ...command],
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.child.on('message', ({ group }: { group?: number }) => void (this.group = group))
    for (const stream of [this.child.stdout, this.child.stderr]) {
      // without a file descriptor there are no pipes, and `error` comes
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        if (line.trim() === '') return
        this.lines.push(line)
        if (this.lines.length > KEPT_LINES) this.lines.shift()
        onLine(line)
      })
    }
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.isEnded = this.child.pid === undefined
        resolve(error.message)
      })
      // its last lines may still come, and it may have been killed before it could kill the group
      this.child.once('exit', (code, signal) => {
        this.isEnded = true
        this.killGroup()
        const how = signal ?? `exit code ${code}`
        const latest = setTimeout(() => resolve(how), LAST_LINES_MS)
        this.child.once('close', () => {
          clearTimeout(latest)
          // a line is read a tick after its bytes
          setImmediate(() => resolve(how))
        })
      })
    })
  }

  get hasEnded(): boolean {
    return this.isEnded
  }

  /** What it wrote last, on stdout or stderr. */
  lastWords(): string {
    return this.lines.join('\n')
  }

  /** SIGTERM, then SIGKILL for all that it started. Resolves when it has ended. */
  async end(graceMs: number): Promise<void> {
    this.child.kill('SIGTERM')
    const killer = setTimeout(() => this.killGroup(), graceMs)
    await this.ended
    clearTimeout(killer)
  }

  private killGroup(): void {
    if (this.group === undefined) this.child.kill('SIGKILL')
    else signalGroup(this.group, 'SIGKILL')
  }
}
