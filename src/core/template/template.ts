/**
 * A template: the ordered messages of a recurring prompt, made of anchors (constant text), slots (short
 * variable text), examples (few-shot blocks) and the query. `detect.ts` finds templates, `match.ts`
 * recognizes their requests.
 */

export interface Anchor {
  kind: 'anchor'
  text: string
}

/** Short variable text that the application wrote. */
export interface Slot {
  kind: 'slot'
  name: string
  /** `enum`: one of `values` (at most 16); `short`: free text of bounded length */
  type: 'enum' | 'short'
  values?: string[]
  maxChars: number
  multiline: boolean
  /** false: the values do not help to predict the answer, so the slot is dropped like an anchor */
  kept: boolean
  /** for keeping or dropping it; absent when a person wrote the template */
  evidence?: SlotEvidence
}

export interface SlotEvidence {
  reason: 'predicts-answer' | 'typed-value' | 'no-effect' | 'user-text' | 'undecided'
  /** type of value that all samples have (date, uuid, …) */
  mask: string | null
  /** permutation p-value of "the answer does not depend on the value"; null without answers */
  probability: number | null
  distinct: number
  samples: number
}

/**
 * Few-shot block that differs from request to request (retrieved examples); always removed. As messages of
 * their own, examples are whole messages: a question of the user and the answer behind it.
 */
export interface Examples {
  kind: 'examples'
  name: string
}

/** Text of the end user: always kept, never changed. */
export interface Query {
  kind: 'query'
}

export type Segment = Anchor | Slot | Examples | Query

export interface TemplateMessage {
  role: string
  segments: Segment[]
}

export interface TemplateKey {
  tenant: string
  model: string
  /** digest of `tools` and `tool_choice`, '' when the request has none */
  tools: string
  /** digest of `response_format`, '' when the request has none */
  responseFormat: string
}

/** Longest label that a person may give a template, UTF-16 units. */
export const MAX_LABEL_CHARS = 60

export interface Template extends TemplateKey {
  /** hash of the key and the ordered anchors, hex */
  version: string
  messages: TemplateMessage[]
  /**
   * Messages that may follow the template's own in later turns of a conversation; 0 for single exchanges.
   * Requests with more go to the upstream.
   */
  maxTurnsAfter: number
  /**
   * Of examples that are messages: digests of pairs that sessions with different pairs had, sorted. The
   * first and the last pair of a request must be among them (`example-pairs.ts`).
   */
  knownPairs?: string[]
}

/** A message behind the template's own. */
export interface LaterMessage {
  role: string
  content: string
  /** of a user's message that is results of functions (`tool-turns.ts`), not the user's own words */
  isResult?: true
}

/** A request that a template recognizes, taken apart. */
export interface Match {
  template: Template
  /** slot name → value, every slot of the template */
  slots: Record<string, string>
  /** examples name → text */
  examples: Record<string, string>
  query: string
  /** messages after the template's own, as sent: assistant and user alternate */
  turns: LaterMessage[]
}

/** The kept slots of a request with their values, in the template's order. */
export const keptSlots = ({ template, slots }: Match): { slot: Slot; value: string }[] =>
  template.messages
    .flatMap(({ segments }) => segments)
    .filter((segment) => segment.kind === 'slot')
    .filter(({ kept }) => kept)
    .map((slot) => ({ slot, value: slots[slot.name] ?? '' }))
