/** A plot, drawn by the script of the page, over the same figures as a table for those without it. */
import { numbers, Table, type TableProps } from './table.tsx'
import { Text } from './text.tsx'

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
  /** a value holds until the next one */
  isStepped?: boolean
  /** a column of the table, with a text for each place */
  notes?: { name: string; values: string[] }
  /** vertical and horizontal lines with a name */
  marks?: { name: string; x?: number; y?: number }[]
}

/** Each value again at the next place, before that one's own. */
const held = <Value,>(values: Value[]): Value[] =>
  values.flatMap((value, at) => [...values.slice(at - 1, at), value])

const drawnOf = ({ x, y, series, marks = [], isStepped = false }: PlotProps): object =>
  isStepped
    ? {
        x: { ...x, values: x.values.flatMap((value, at) => (at === 0 ? [value] : [value, value])) },
        y,
        series: series.map((each) => ({ ...each, values: held(each.values) })),
        marks,
      }
    : { x, y, series, marks }

const columnsOf = ({ x, series, notes }: PlotProps): TableProps['columns'] => [
  x.name,
  ...numbers(...series.map(({ name }) => name)),
  ...(notes === undefined ? [] : [notes.name]),
]

export const Plot = (props: PlotProps) => {
  const { title, x, series, format, formatX, notes } = props
  return (
    <figure class="plot">
      <figcaption>{title}</figcaption>
      <div
        data-plot={JSON.stringify(drawnOf(props))}
        role="img"
        aria-label={`${title}; the table below has its figures`}
      />
      <details>
        <summary>Figures of “{title}”</summary>
        <Table
          caption={title}
          columns={columnsOf(props)}
          rows={x.values.map((value, at) => [
            formatX(value),
            ...series.map(({ values }) => {
              const found = values[at] ?? null
              return found === null ? '' : format(found)
            }),
            ...(notes === undefined ? [] : [<Text text={notes.values[at] ?? ''} />]),
          ])}
          empty="no figures"
        />
      </details>
    </figure>
  )
}
