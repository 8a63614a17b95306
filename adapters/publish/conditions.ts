/** What keeps a provider from computing, one of each kind, with the time since which it does. */
import type { EngineCondition, EngineConditionKind } from '../../src/openai/engine-state.ts'

export class Conditions {
  private readonly now: () => number
  private readonly held = new Map<EngineConditionKind, EngineCondition>()

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.now = now
  }

  /** One that lasts keeps its time. @param message what happened and what to do */
  begin(kind: EngineConditionKind, message: string): void {
    const since = this.held.get(kind)?.since ?? Math.floor(this.now() / 1000)
    this.held.set(kind, { kind, message, since })
  }

  end(...kinds: EngineConditionKind[]): void {
    for (const kind of kinds) this.held.delete(kind)
  }

  list(): EngineCondition[] {
    return [...this.held.values()]
  }
}
