/** A part of a view that is read when somebody wants to know more: closed, with a summary that says what is in it. */
import type { Child } from 'hono/jsx'

export interface FoldProps {
  name: string
  /** the most important of what is in it, in a few words */
  tells?: Child
  children?: Child
}

export const Fold = ({ name, tells, children }: FoldProps) => (
  <details class="fold">
    <summary>
      <h2>{name}</h2> {tells !== undefined && <span>{tells}</span>}
    </summary>
    {children}
  </details>
)
