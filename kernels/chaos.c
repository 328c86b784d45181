/* The measure of spatial chaos: levels of pixels, and connected parts of all level sets at once. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#define MOST_LEVELS 126
#define OUTSIDE 127

/* For every entry of images, one after the other, how many of the thresholds highest * i / levels, 0 <= i < levels, lie
 * below its value; none do in an image whose highest value is infinite. Thresholds ascend, so that a first guess, which
 * is off by one at most, has only to be moved. */
void exceeded_levels(int64_t images, const int64_t *ends, const float *value, int64_t levels, int8_t *level) {
    for (int64_t image = 0, i = 0; image < images; image++) {
        float highest = 0;
        for (int64_t at = i; at < ends[image]; at++)
            highest = value[at] > highest ? value[at] : highest;
        if (!isfinite(highest)) {
            memset(level + i, 0, (size_t)(ends[image] - i));
            i = ends[image];
            continue;
        }
        float threshold[MOST_LEVELS];
        for (int64_t step = 0; step < levels; step++) {
            const float product = highest * (float)step; /* rounded before it is divided */
            threshold[step] = product / (float)levels;
        }
        const float scale = (float)levels / highest;
        for (; i < ends[image]; i++) {
            const float scaled = value[i] * scale;
            int64_t guess = scaled < (float)levels ? (int64_t)scaled : levels;
            while (guess < levels && value[i] > threshold[guess])
                guess++;
            while (guess > 0 && !(value[i] > threshold[guess - 1]))
                guess--;
            level[i] = (int8_t)guess;
        }
    }
}

/* An image in memory: row by row with a margin of one on all sides, in which `closed` is OUTSIDE: higher than any level,
 * so that it is never raised, and lowers nothing. */
typedef struct {
    int64_t height, width, stride;
    int8_t *closed;
} canvas;

static void draw_margin(const canvas *image, int8_t value) {
    const int64_t last = (image->height + 1) * image->stride;
    memset(image->closed, value, (size_t)image->stride);
    memset(image->closed + last, value, (size_t)image->stride);
    for (int64_t row = image->stride; row < last; row += image->stride)
        image->closed[row] = image->closed[row + image->stride - 1] = value;
}

/* Raise the places of a cross around each entry to its level; list the places raised. */
static int64_t dilate(const canvas *image, int64_t entries, const int32_t *y, const int32_t *x, const int8_t *level,
                      int32_t *places) {
    const int64_t cross[] = {-image->stride, -1, 0, 1, image->stride};
    int64_t count = 0;
    for (int64_t i = 0; i < entries; i++) {
        const int64_t place = (y[i] + 1) * image->stride + x[i] + 1;
        for (int step = 0; step < 5; step++) {
            int8_t *raised = image->closed + place + cross[step];
            if (*raised < level[i]) {
                if (!*raised)
                    places[count++] = (int32_t)(place + cross[step]);
                *raised = level[i];
            }
        }
    }
    return count;
}

/* Lower each place to the lowest of the square around it; drop the places that are left without a level. */
static int64_t erode(const canvas *image, int64_t count, int8_t *eroded, int32_t *places) {
    const int64_t down = image->stride;
    const int64_t square[] = {-down - 1, -down + 1, down - 1, down + 1, -down, -1, 1, down};
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++) {
        const int8_t *here = image->closed + places[i];
        int8_t lowest = *here;
        for (int step = 0; step < 8 && lowest; step++)
            lowest = here[square[step]] < lowest ? here[square[step]] : lowest;
        if (lowest) {
            eroded[places[i]] = lowest;
            places[kept++] = places[i];
        }
    }
    return kept;
}

static int32_t root(int32_t *parent, int32_t place) {
    while (parent[place] != place) {
        parent[place] = parent[parent[place]];
        place = parent[place];
    }
    return place;
}

/* Order places by their levels, the highest first; tell where each level's begin. */
static void order_by_level(int64_t count, const int32_t *places, const int8_t *level, int32_t *order, int64_t *starts) {
    int64_t next[MOST_LEVELS + 1] = {0};
    for (int64_t i = 0; i < count; i++)
        next[level[places[i]]]++;
    for (int64_t step = MOST_LEVELS, start = 0; step >= 0; step--) {
        const int64_t size = next[step];
        next[step] = starts[step] = start;
        start += size;
    }
    for (int64_t i = 0; i < count; i++)
        order[next[level[places[i]]]++] = places[i];
}

/* Number of 4-connected parts, summed over the level sets: from the highest down each is the one before with more
 * places. `parent` is -1 where no place has been. */
static int64_t parts_of_levels(const canvas *image, int64_t count, const int32_t *places, const int8_t *level,
                               int32_t *parent, int32_t *order) {
    const int64_t cross[] = {-image->stride, -1, 1, image->stride};
    int64_t starts[MOST_LEVELS + 1], parts = 0, now = 0;
    order_by_level(count, places, level, order, starts);
    for (int64_t step = MOST_LEVELS; step > 0; step--) {
        for (int64_t i = starts[step]; i < starts[step - 1]; i++) {
            const int32_t place = order[i];
            int32_t own = parent[place] = place;
            now++;
            for (int side = 0; side < 4; side++) {
                const int64_t beside = place + cross[side];
                if (parent[beside] < 0)
                    continue;
                const int32_t other = root(parent, (int32_t)beside);
                now -= own != other;
                own = parent[own] = other;
            }
        }
        parts += now;
    }
    return parts;
}

/* Close each image (dilation by the cross, erosion by the square; what is outside takes no part), and count the
 * connected parts over all its level sets. Entries are given image by image, `ends` tells where each image's end.
 * Scratch for as many places as the largest image has with its margin: `closed` and `left` are 0 and `parent` is -1
 * before, and in all but the margin of `closed` after each image. */
void count_parts(int64_t images, const int64_t *ends, const int32_t *y, const int32_t *x, const int8_t *level,
                 const int64_t *heights, const int64_t *widths, int8_t *closed, int8_t *left, int32_t *parent,
                 int32_t *places, int32_t *order, int64_t *parts) {
    canvas area = {0, 0, 2, closed};
    for (int64_t image = 0, first = 0; image < images; first = ends[image++]) {
        if (area.height != heights[image] || area.width != widths[image]) {
            draw_margin(&area, 0);
            area = (canvas){heights[image], widths[image], widths[image] + 2, closed};
            draw_margin(&area, OUTSIDE);
        }
        const int64_t raised = dilate(&area, ends[image] - first, y + first, x + first, level + first, places);
        memcpy(order, places, (size_t)raised * sizeof *places);
        const int64_t kept = erode(&area, raised, left, places);
        for (int64_t i = 0; i < raised; i++)
            closed[order[i]] = 0;
        parts[image] = parts_of_levels(&area, kept, places, left, parent, order);
        for (int64_t i = 0; i < kept; i++) {
            left[places[i]] = 0;
            parent[places[i]] = -1;
        }
    }
}
