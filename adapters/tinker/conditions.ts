/** What keeps the provider from working, as people should read it, since when. */
import type { EngineCondition, EngineConditionKind } from '../../src/openai/engine-state.ts'
import { Conditions } from '../publish/conditions.ts'

const MESSAGES: Record<EngineConditionKind, string> = {
  'key-refused':
    'The provider refuses the key: requests fall back, and jobs wait. Put a valid one in TINKER_API_KEY and start again.',
  unpaid:
    'The provider waits for a payment: requests fall back, and jobs wait. Add credit in its console.',
  throttled:
    'The provider answers 429: requests fall back, and jobs wait and go on by themselves. Ask it for a higher limit if this lasts.',
  'base-retired':
    'The provider no longer has the base model: requests fall back. The loras remain as PEFT folders in the data directory; name another base in TINKER_BASE_MODEL, and templates are trained anew.',
  away: 'The provider does not answer: requests fall back, and jobs wait.',
  'not-deleted':
    'The provider still has weights that it was told to delete. The deletion is repeated every hour; receipts.jsonl names them.',
}

const KINDS = new Set(Object.keys(MESSAGES))

const isKind = (name: string): name is EngineConditionKind => KINDS.has(name)

/** What several sources know of the provider, as one list. */
export class SourcedConditions {
  private readonly conditions: Conditions
  private readonly bySource = new Map<string, EngineConditionKind[]>()

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.conditions = new Conditions(now)
  }

  /** All that one source knows to hold now; names of no condition are left out. */
  set(source: string, names: readonly string[]): void {
    this.bySource.set(source, names.filter(isKind))
    const held = new Set([...this.bySource.values()].flat())
    for (const { kind } of this.conditions.list()) if (!held.has(kind)) this.conditions.end(kind)
    for (const kind of held) this.conditions.begin(kind, MESSAGES[kind])
  }

  /** The earliest first. */
  list(): EngineCondition[] {
    return this.conditions.list()
  }
}
