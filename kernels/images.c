/* Ion images: the points of an ion's windows, summed by pixel, and what is computed from them.
 *
 * Every sum over an image goes through its pixels in ascending order, every sum over points in the order of the peaks,
 * so that it does not depend on which other ions are in the same call. */
#include "kernels.h"

#include <math.h>

/* Add the points of one ion to its images: float32, in the order of the peaks. */
static void add_points(const peak_list *peaks, int64_t isotopes, const int64_t *left, const int64_t *right,
                       const scratch_images *scratch) {
    for (int64_t j = 0; j < isotopes; j++)
        for (int64_t i = left[j]; i < right[j]; i++) {
            const uint32_t pixel = peaks->pixel[i];
            scratch->value[(int64_t)pixel * isotopes + j] += peaks->intensity[i];
            scratch->bits[pixel >> 6] |= (uint64_t)1 << (pixel & 63);
            scratch->words[pixel >> 12] |= (uint64_t)1 << (pixel >> 6 & 63);
        }
}

/* Go through the pixels of one ion's images, in ascending order: what follows is done for each `pixel`. */
#define EACH_PIXEL(peaks, scratch, pixel)                                                                            \
    for (int64_t group_ = 0; group_ <= (peaks)->pixels >> 12; group_++)                                              \
        for (uint64_t words_ = (scratch)->words[group_]; words_; words_ &= words_ - 1)                               \
            for (uint64_t word_ = (uint64_t)(group_ << 6 | __builtin_ctzll(words_)),                                 \
                          bits_ = (scratch)->bits[word_], pixel;                                                     \
                 bits_ && (pixel = word_ << 6 | (uint64_t)__builtin_ctzll(bits_), 1); bits_ &= bits_ - 1)

static void clear(const peak_list *peaks, int64_t isotopes, const scratch_images *scratch) {
    EACH_PIXEL(peaks, scratch, pixel) {
        for (int64_t j = 0; j < isotopes; j++)
            scratch->value[(int64_t)pixel * isotopes + j] = 0;
        if (!(bits_ & (bits_ - 1)))
            scratch->bits[word_] = 0;
    }
    for (int64_t group = 0; group <= peaks->pixels >> 12; group++)
        scratch->words[group] = 0;
}

/* Sum the images of ions. For every ion and isotope, [ions, isotopes]: how many pixels its image has, the total and the
 * maximum over them, the total over the pixels of the first image, the total of squares, and of products with the first
 * image. `meets` tells which ions have a pixel in which another image meets the first. */
void sum_images(const peak_list *peaks, const window_list *windows, const scratch_images *scratch, int64_t *pixels,
                double *total, float *maximum, double *observed, double *squares, double *with_first,
                uint8_t *meets) {
    const int64_t isotopes = windows->isotopes;
    for (int64_t ion = 0; ion < windows->ions; ion++) {
        const int64_t at = ion * isotopes;
        add_points(peaks, isotopes, windows->left + at, windows->right + at, scratch);
        EACH_PIXEL(peaks, scratch, pixel) {
            const float *value = scratch->value + pixel * isotopes;
            const double first = value[0];
            for (int64_t j = 0; j < isotopes; j++) {
                const double here = value[j];
                if (here == 0)
                    continue;
                pixels[at + j]++;
                total[at + j] += here;
                maximum[at + j] = value[j] > maximum[at + j] ? value[j] : maximum[at + j];
                squares[at + j] += here * here;
                with_first[at + j] += here * first;
                if (first == 0)
                    continue;
                observed[at + j] += here;
                meets[ion] |= j > 0;
            }
        }
        clear(peaks, isotopes, scratch);
    }
}

/* The mean of every image over all pixels, the sum of its squared deviations from that, and the sum of their products
 * with the first image's: float32[ions, isotopes], added up in float32 from pixel to pixel, as METASPACE does. Pixels in
 * which no image of the ion has a point are all alike, and added at the end. */
void correlate_single(const peak_list *peaks, const window_list *windows, const scratch_images *scratch,
                      float *mean_out, float *variance, float *covariance) {
    const int64_t isotopes = windows->isotopes;
    for (int64_t ion = 0; ion < windows->ions; ion++) {
        const int64_t at = ion * isotopes;
        float *mean = mean_out + at;
        int64_t seen = 0;
        add_points(peaks, isotopes, windows->left + at, windows->right + at, scratch);
        EACH_PIXEL(peaks, scratch, pixel) {
            seen++;
            for (int64_t j = 0; j < isotopes; j++)
                mean[j] += scratch->value[pixel * isotopes + j];
        }
        for (int64_t j = 0; j < isotopes; j++)
            mean[j] /= (float)peaks->pixels;
        EACH_PIXEL(peaks, scratch, pixel) {
            const float *value = scratch->value + pixel * isotopes;
            const float first = value[0] - mean[0];
            for (int64_t j = 0; j < isotopes; j++) {
                const float deviation = value[j] - mean[j];
                variance[at + j] += deviation * deviation;
                covariance[at + j] += first * deviation;
            }
        }
        const float unseen = (float)(peaks->pixels - seen);
        for (int64_t j = 0; j < isotopes; j++) {
            variance[at + j] += mean[j] * mean[j] * unseen;
            covariance[at + j] += mean[0] * mean[j] * unseen;
        }
        clear(peaks, isotopes, scratch);
    }
}

/* List the pixels of images and their values, image by image; `ends` tells where each image's end. Every image stands
 * alone: the windows have one isotope each. */
void list_images(const peak_list *peaks, const window_list *windows, const scratch_images *scratch, int64_t *ends,
                 uint32_t *pixel_out, float *value_out) {
    int64_t end = 0;
    for (int64_t image = 0; image < windows->ions; image++) {
        add_points(peaks, 1, windows->left + image, windows->right + image, scratch);
        EACH_PIXEL(peaks, scratch, pixel) {
            pixel_out[end] = (uint32_t)pixel;
            value_out[end++] = scratch->value[pixel];
        }
        clear(peaks, 1, scratch);
        ends[image] = end;
    }
}

/* Mean and standard deviation of the m/z of each window's points, weighted by intensity: float64[ions, isotopes]. The
 * points' m/z are rounded to float32; a window without points has its centre and 0. */
void mz_statistics(const peak_list *peaks, const window_list *windows, const double *centre, double *mean,
                   double *deviation) {
    for (int64_t at = 0; at < windows->ions * windows->isotopes; at++) {
        const int64_t left = windows->left[at], right = windows->right[at];
        double weights = 0, offsets = 0, squares = 0;
        for (int64_t i = left; i < right; i++) {
            const double weight = peaks->intensity[i];
            weights += weight;
            offsets += weight * ((double)(float)peaks->mz[i] - centre[at]);
        }
        const double shift = isfinite(offsets / weights) ? offsets / weights : 0;
        for (int64_t i = left; i < right; i++) {
            const double weight = peaks->intensity[i];
            const double distance = (double)(float)peaks->mz[i] - centre[at] - shift;
            squares += weight * distance * distance;
        }
        const double variance = isfinite(squares / weights) ? squares / weights : 0;
        mean[at] = centre[at] + shift;
        deviation[at] = sqrt(variance);
    }
}
