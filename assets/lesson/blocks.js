// Where the values of noise stand in a picture of all of them: a block a level, its maps on top of each other.

/**
 * The blocks of a flow's noise: of every level its left edge and width in values, and index(row, column), the place of
 * a value in the level's noise [pixel][channel]; null where a block has no value.
 */
export function noiseBlocks(flow) {
  const maps = flow.shape[0] === 3 ? 3 : 2, // rows of maps in level 1; their sides halve with every level
    rows = maps * flow.levels[0].height;
  let columns = 0;
  const blocks = flow.levels.map(({ gone, height, width }) => {
    const wide = Math.ceil(gone / (rows / height)),
      left = columns;
    columns += wide * width;
    const index = (row, column) => {
      const channel = Math.floor(row / height) * wide + Math.floor(column / width);
      return channel < gone ? ((row % height) * width + (column % width)) * gone + channel : null;
    };
    return { left, columns: wide * width, index, box: { x: 0, unit: 1 } };
  });
  return { blocks, columns, rows };
}
