/* Draws every .plot[data-figure] from the JSON script of that id. The full template follows. */
