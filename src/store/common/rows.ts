/** What the rows of a statement have by its text, and not by the driver's types. */

/**
 * The first row of a statement that always gives one, such as an aggregate or an insert that returns.
 * @throws RangeError where it gave none: a defect of the statement
 */
export const oneRow = <Row>([row]: readonly Row[]): Row => {
  if (row === undefined) throw new RangeError('the statement gave no row')
  return row
}

type With<Row, Column extends keyof Row> = Row & { [Name in Column]: NonNullable<Row[Name]> }

const hasColumns = <Row, Column extends keyof Row>(
  row: Row,
  columns: readonly Column[]
): row is With<Row, Column> => columns.every((column) => row[column] !== null)

/**
 * The row of a statement that leaves out rows in which these columns are null.
 * @throws RangeError where one is: a defect of the statement
 */
export const withColumns = <Row, Column extends keyof Row>(
  row: Row,
  ...columns: Column[]
): With<Row, Column> => {
  if (!hasColumns(row, columns)) throw new RangeError(`the row lacks ${columns.join(' or ')}`)
  return row
}
