/** An interval of a share beside its limits, as a picture. */
import { percent } from '../../../core/figure-text.ts'

export interface IntervalProps {
  /** what the share is of */
  name: string
  interval: [lower: number, upper: number]
  /** null: not known */
  value: number | null
  limits: { name: string; at: number }[]
}

const [WIDTH, HEIGHT] = [400, 30]
/** Of the largest limit: how far the picture reaches. */
const REACH = 3

export const Interval = ({ name, interval: [lower, upper], value, limits }: IntervalProps) => {
  const scale = Math.min(1, Math.max(...limits.map(({ at }) => REACH * at), value ?? 0))
  const x = (share: number): string => (Math.max(0, Math.min(1, share / scale)) * WIDTH).toFixed(1)
  const said = [
    `${name} between ${percent(lower)} and ${percent(upper)}`,
    ...limits.map((limit) => `${limit.name} ${percent(limit.at)}`),
  ].join('; ')
  return (
    <figure class="interval">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said}>
        <rect class="scale" x="0" y="12" width={WIDTH} height="6" />
        <rect
          class="range"
          x={x(lower)}
          y="9"
          width={(Number(x(upper)) - Number(x(lower))).toFixed(1)}
          height="12"
        />
        {value !== null && <circle class="value" cx={x(value)} cy="15" r="5" />}
        {limits.map(({ at }) => (
          <line class="limit" x1={x(at)} x2={x(at)} y1="0" y2={HEIGHT} />
        ))}
      </svg>
      <figcaption>
        <small>
          From 0 to {percent(scale)}. Lines:{' '}
          {limits.map(({ name: limit, at }) => `${limit} ${percent(at)}`).join(', ')}.
        </small>
      </figcaption>
    </figure>
  )
}
