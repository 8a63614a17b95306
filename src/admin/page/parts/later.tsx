/**
 * A part that takes long to read. The script loads it behind its view, and again when the store has changed;
 * without one a link leads to the part as a view of its own.
 */
import type { Child } from 'hono/jsx'

interface LaterProps {
  id: string
  /** address of a view that has the part, as `Loaded` */
  path: string
  /** what the part shows */
  name: string
}

export const Later = ({ id, path, name }: LaterProps) => (
  <section
    id={id}
    hx-get={path}
    hx-trigger="load"
    hx-select={`#${id}`}
    hx-swap="outerHTML"
    hx-disinherit="*"
  >
    <p>
      <a href={path}>{name}</a>
    </p>
  </section>
)

export const Loaded = ({ id, path, children }: Omit<LaterProps, 'name'> & { children?: Child }) => (
  <section
    id={id}
    hx-get={path}
    hx-trigger="store-changed from:body throttle:60s"
    hx-select={`#${id}`}
    hx-swap="outerHTML"
    hx-disinherit="*"
  >
    {children}
  </section>
)
