/** A plot, drawn by the script of the page, over the same figures as a table for those without it. */
import { Table } from './table.tsx'

export interface Series {
  name: string
  /** null: no value at this place */
  values: (number | null)[]
  /** drawn as the area between this series and the next one */
  isBand?: boolean
  isDashed?: boolean
}

export interface PlotProps {
  title: string
  /** `time`: seconds since the epoch */
  x: { name: string; kind: 'time' | 'number' | 'share'; values: number[] }
  /** unit of all series; `power`: of ten */
  y: 'number' | 'share' | 'usd' | 'ms' | 'power'
  series: Series[]
  /** how a value is written in the table */
  format: (value: number) => string
  formatX: (value: number) => string
  /** vertical and horizontal lines with a name */
  marks?: { name: string; x?: number; y?: number }[]
}

export const Plot = ({ title, x, y, series, format, formatX, marks = [] }: PlotProps) => (
  <figure class="plot">
    <figcaption>{title}</figcaption>
    <div
      data-plot={JSON.stringify({ x, y, series, marks })}
      role="img"
      aria-label={`${title}; the table below has its figures`}
    />
    <details>
      <summary>Figures of “{title}”</summary>
      <Table
        caption={title}
        columns={[{ name: x.name }, ...series.map(({ name }) => ({ name, isNumber: true }))]}
        rows={x.values.map((value, at) => [
          formatX(value),
          ...series.map(({ values }) => {
            const found = values[at] ?? null
            return found === null ? '' : format(found)
          }),
        ])}
        empty="no figures"
      />
    </details>
  </figure>
)
