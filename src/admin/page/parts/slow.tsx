/** A part whose figures take seconds: the script loads it behind the view, or when its fold opens; without a script a link does. */
import type { Child } from 'hono/jsx'

export interface SlowProps {
  /** id of the element that the figures are in, in this view and in the one that is loaded */
  id: string
  /** of the view with the figures */
  address: string
  /** the link */
  verb: string
  /** within a fold: nobody has asked for it before the fold is opened */
  isInFold?: boolean
  /** what is missing */
  children?: Child
}

export const Slow = ({ id, address, verb, isInFold, children }: SlowProps) => (
  <p
    class="slow"
    hx-get={address}
    hx-trigger={isInFold === true ? 'toggle from:closest details once' : 'load'}
    hx-select={`#${id}`}
    hx-target={`#${id}`}
    hx-swap="outerHTML"
    hx-disinherit="*"
  >
    {children} <a href={address}>{verb}</a>
  </p>
)

/** The part of the view that is loaded: it is loaded again when the script says that the store changed. */
export const Refreshed = ({
  id,
  address,
  children,
}: Pick<SlowProps, 'id' | 'address'> & { children?: Child }) => (
  <section
    id={id}
    hx-get={address}
    hx-trigger="store-changed from:body"
    hx-select={`#${id}`}
    hx-swap="outerHTML"
    hx-disinherit="*"
  >
    {children}
  </section>
)
