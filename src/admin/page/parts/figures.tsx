/** Figures with their names, times and states. */
import type { Child } from 'hono/jsx'
import { minuteText } from '../../../core/days.ts'
import type { Tone } from '../../../views/facts.ts'

export interface FigureProps {
  name: string
  value: Child
  /** what the figure is about, in a few words */
  note?: Child
}

export const Figures = ({ figures }: { figures: FigureProps[] }) => (
  <dl class="figures">
    {figures.map(({ name, value, note }) => (
      <div>
        <dt>{name}</dt>
        <dd>
          <strong>{value}</strong>
          {note !== undefined && <small>{note}</small>}
        </dd>
      </div>
    ))}
  </dl>
)

/** In UTC. @param at milliseconds since the epoch */
export const Time = ({ at }: { at: number }) => (
  <time datetime={new Date(at).toISOString()}>{minuteText(at)}</time>
)

/** Its colour repeats what its words say. */
export const Badge = ({ tone, children }: { tone: Tone; children?: Child }) => (
  <span class={`badge ${tone}`}>{children}</span>
)

/** A message that a person should see first. */
export const Notice = ({ tone, children }: { tone: Tone; children?: Child }) => (
  <p class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
    {children}
  </p>
)
