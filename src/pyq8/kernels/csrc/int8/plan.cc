#include "int8/plan.h"

#include <algorithm>

#include "int8/isa.h"

namespace pyq8::int8 {
namespace {

constexpr int64_t kMostBytes = int64_t(1) << 40;
constexpr int64_t kMostPixels = int64_t(1) << 23;  // whose codes an INT32 sum holds

std::string by(int64_t h, int64_t w) { return std::to_string(h) + " x " + std::to_string(w); }

// In what two tensors of one size differ.
std::string unlike(const Place& a, const Place& b) {
  if (a.n != b.n) return std::to_string(a.n) + " and " + std::to_string(b.n) + " images";
  return by(a.h, a.w) + " and " + by(b.h, b.w);
}

int64_t along(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t before, int64_t behind,
              bool ceil) {
  const int64_t padded = size + before + behind, covers = dilation * (kernel - 1) + 1, left = padded - covers;
  if (left < 0) {
    throw Error("an image is smaller than a kernel, " + std::to_string(padded) + " pixels with pads and " +
                std::to_string(covers));
  }
  const int64_t count = left / stride + 1;
  return count + (ceil && left % stride && count * stride < size + before);  // no window begins behind the image
}

class Planner {
 public:
  Planner(const Spec& spec, Plan& plan) : spec_(spec), plan_(plan) {}

  void shapes(const std::vector<Shape>& inputs) {
    plan_.places.assign(spec_.tensors.size(), {});
    plan_.outputs.assign(size_t(spec_.outputs), {});
    for (size_t i = 0; i < spec_.tensors.size(); ++i) plan_.places[i].channels = spec_.tensors[i].channels;
    for (const Layer& l : spec_.layers) {
      layer_ = &l - spec_.layers.data();
      if (l.kind == kQuantize) {
        const Shape& in = inputs.at(size_t(l.x));
        const bool last = l.mode == kByteNhwc;
        if ((in.size() != 4 && in.size() != 2) || in[in.size() == 2 || !last ? 1 : 3] != l.other) {
          std::string found;
          for (const int64_t size : in) found += (found.empty() ? "" : " x ") + std::to_string(size);
          throw Error("input " + std::to_string(l.x) + " is not of " + std::to_string(l.other) + " channels, it is " +
                      found);
        }
        const bool image = in.size() == 4;
        set(l.y, in[0], image ? in[last ? 1 : 2] : 1, image ? in[last ? 2 : 3] : 1);
        const Place& first = at(spec_.layers[0].y);
        if (!first.n != !in[0]) throw Error("some inputs are empty, others not: " + unlike(first, at(l.y)));
        continue;
      }
      const Place& x = at(l.x);
      if (l.kind == kDequantize) {
        Shape& out = plan_.outputs[size_t(l.y)];
        const int64_t channels = spec_.tensors[size_t(l.x)].channels;
        if (l.mode == kToFloatFlat || l.mode == kToByteFlat) {
          if (x.h != 1 || x.w != 1) throw Error("a flat output of an image of " + by(x.h, x.w) + " pixels");
          out = {x.n, channels};
        } else if (l.mode == kToByteNhwc) {
          out = {x.n, x.h, x.w, channels};
        } else {
          out = {x.n, channels, x.h, x.w};
        }
      } else if (l.kind == kConv && l.mode == kToFloat) {
        const int64_t h = height(l, x), w = width(l, x);
        if (h != 1 || w != 1) throw Error("a flat output of an image of " + by(h, w) + " pixels");
        plan_.outputs[size_t(l.y)] = {x.n, l.more};
      } else if (l.kind == kAdd || l.kind == kMultiply) {
        const Place& other = at(l.other);
        const bool same = x.n == other.n && x.h == other.h && x.w == other.w;
        if (!same && !(l.kind == kMultiply && x.n == other.n && other.h == 1 && other.w == 1)) {
          const char* const what = l.kind == kAdd ? "sum" : "product";
          throw Error(std::string("the sizes of a ") + what + " differ, " + unlike(x, other));
        }
        set(l.y, x.n, x.h, x.w);
      } else if (l.kind == kTable || l.kind == kNormalize) {
        set(l.y, x.n, x.h, x.w);
      } else if (l.kind == kMove) {
        set(l.y, x.n, x.h * l.r + l.top + l.bottom, x.w * l.s + l.left + l.right);
      } else {
        const Place y = {x.n, height(l, x), width(l, x)};
        const int64_t r = l.r ? l.r : x.h, s = l.s ? l.s : x.w;
        if (l.kind == kAveragePool && r * s >= kMostPixels) throw Error("a mean of too many pixels, " + by(r, s));
        if (l.kind == kConv && l.other >= 0) {
          const Place& other = at(l.other);
          const bool same = other.n == y.n && other.h == y.h && other.w == y.w;
          if (!same) throw Error("the sizes of a sum differ, " + unlike(y, other));
        }
        set(l.y, y.n, y.h, y.w);
      }
    }
  }

  int64_t layer() const { return layer_; }  // of the size that `shapes` looked at last

  // The widest border that any reader wants. Tensors that share memory share it.
  void pads() {
    join();
    for (const Layer& l : spec_.layers) {
      if (l.kind != kConv && l.kind != kDepthwise) continue;
      Place& x = plan_.places[size_t(owner_[size_t(root_of(spec_, l.x))])];
      x.top = std::max(x.top, l.top);
      x.left = std::max(x.left, l.left);
      x.bottom = std::max(x.bottom, l.bottom);
      x.right = std::max(x.right, l.right);
    }
    for (size_t i = 0; i < owner_.size(); ++i) {
      Place& p = plan_.places[i];
      const Place& o = plan_.places[size_t(owner_[i])];
      p.top = o.top, p.left = o.left, p.bottom = o.bottom, p.right = o.right;
    }
  }

  // Neighbouring layers of results of one size, as long as each needs only the rows that it computes.
  void chains() {
    for (size_t i = 0; i < spec_.layers.size(); ++i) {
      if (plan_.chains.empty() || !joins(plan_.chains.back(), i)) plan_.chains.push_back({i, i, {}});
      plan_.chains.back().last = i + 1;
    }
  }

  // First fit, in the order in which tensors come to life; a chain is one moment.
  void memory() {
    std::vector<int64_t> first(owner_.size(), -1), last(owner_.size(), -1);
    for (size_t i = 0; i < plan_.chains.size(); ++i) {
      Plan::Chain& chain = plan_.chains[i];
      for (size_t layer = chain.first; layer < chain.last; ++layer) {
        for (const int64_t id : tensors(spec_.layers[layer])) {
          const size_t root = size_t(root_of(spec_, id)), owner = size_t(owner_[root]);
          if (first[root] < 0 && plan_.places[root].padded()) {
            // Of tensors in one place the last one's border stays: they are filled side by side.
            const auto same = [&](int64_t other) { return owner_[size_t(other)] == int64_t(owner); };
            chain.fill.erase(std::remove_if(chain.fill.begin(), chain.fill.end(), same), chain.fill.end());
            chain.fill.push_back(int64_t(root));
          }
          if (first[root] < 0) first[root] = int64_t(i);
          if (first[owner] < 0) first[owner] = int64_t(i);
          last[owner] = int64_t(i);
        }
      }
    }
    struct Block {
      int64_t begin, end, last;
    };
    std::vector<Block> live;
    for (size_t i = 0; i < plan_.chains.size(); ++i) {
      for (size_t root = 0; root < owner_.size(); ++root) {
        if (first[root] != int64_t(i) || owner_[root] != int64_t(root)) continue;
        Place& p = plan_.places[root];
        if (p.n > kMostBytes / std::max<int64_t>(1, p.image())) {
          throw Error("tensor " + std::to_string(root) + " is too large, " + std::to_string(p.n) + " images of " +
                      std::to_string(p.image()) + " bytes");
        }
        const int64_t bytes = (p.n * p.image() + kSlack + 4095) / 4096 * 4096;
        const auto over = [&](const Block& block) { return block.last < int64_t(i); };
        live.erase(std::remove_if(live.begin(), live.end(), over), live.end());
        std::sort(live.begin(), live.end(), [](const Block& a, const Block& b) { return a.begin < b.begin; });
        int64_t begin = 0;
        for (const Block& b : live) {
          if (b.begin >= begin + bytes) break;
          begin = std::max(begin, b.end);
        }
        p.begin = begin;
        live.push_back({begin, begin + bytes, last[root]});
        plan_.bytes = std::max(plan_.bytes, begin + bytes);
      }
    }
    for (size_t root = 0; root < owner_.size(); ++root) {
      plan_.places[root].begin = plan_.places[size_t(owner_[root])].begin;
    }
  }

 private:
  Place& at(int64_t tensor) { return plan_.places[size_t(root_of(spec_, tensor))]; }

  void set(int64_t tensor, int64_t n, int64_t h, int64_t w) {
    if (n < 0 || h < 1 || w < 1) throw Error("an image without pixels, " + by(h, w));
    const Place y = {n, h, w};
    Place& p = at(tensor);
    const bool same = p.n == n && p.h == h && p.w == w;
    if (p.h && !same) throw Error("the slices of a tensor differ in size, " + unlike(p, y));
    p.n = n, p.h = h, p.w = w;
  }

  static int64_t height(const Layer& l, const Place& x) {
    return along(x.h, l.r ? l.r : x.h, l.stride_h, l.dilation_h, l.top, l.bottom, pools(l) && (l.mode & kCeil));
  }
  static int64_t width(const Layer& l, const Place& x) {
    return along(x.w, l.s ? l.s : x.w, l.stride_w, l.dilation_w, l.left, l.right, pools(l) && (l.mode & kCeil));
  }
  static bool pools(const Layer& l) { return l.kind == kMaxPool || l.kind == kAveragePool; }

  static std::vector<int64_t> tensors(const Layer& l) {
    std::vector<int64_t> ids;
    if (l.kind != kQuantize) ids.push_back(l.x);
    if (l.kind != kQuantize && l.other >= 0) ids.push_back(l.other);
    if (l.kind != kDequantize && !(l.kind == kConv && l.mode == kToFloat)) ids.push_back(l.y);
    return ids;
  }

  // The tensor whose size is that of a layer's loop.
  static int64_t looped(const Layer& l) { return l.kind == kDequantize || to_float(l) ? l.x : l.y; }
  static bool to_float(const Layer& l) { return l.kind == kConv && l.mode == kToFloat; }

  // Whether a layer needs of x only the rows that it computes, and nothing of its border, which is filled beside the layers of
  // a chain. It always does so of `other`.
  static bool by_rows(const Layer& l) {
    if (l.kind == kMultiply) return false;  // may read one pixel for all
    if (l.kind == kAdd || l.kind == kTable || l.kind == kNormalize || l.kind == kDequantize) return true;
    return l.kind == kConv && l.r == 1 && l.s == 1 && l.stride_h == 1 && !l.top && !l.left && !l.bottom && !l.right;
  }

  bool joins(const Plan::Chain& chain, size_t index) {
    const Layer& l = spec_.layers[index];
    const Place &a = at(looped(spec_.layers[chain.first])), &b = at(looped(l));
    if (to_float(l) || to_float(spec_.layers[chain.first]) || a.n != b.n || a.h != b.h || a.w != b.w) return false;
    const auto owner = [&](int64_t id) { return owner_[size_t(root_of(spec_, id))]; };
    for (size_t i = chain.first; i < chain.last; ++i) {
      const Layer& earlier = spec_.layers[i];
      const bool writes = earlier.kind != kDequantize;
      if (writes && l.kind != kQuantize && !by_rows(l) && owner(l.x) == owner(earlier.y)) return false;
      if (writes && l.kind == kMultiply && owner(l.other) == owner(earlier.y)) return false;
      // What it writes in the place of another tensor, no earlier layer may still read beyond its own rows.
      if (l.kind != kDequantize && earlier.kind != kQuantize && !by_rows(earlier) && owner(earlier.x) == owner(l.y))
        return false;
    }
    return true;
  }

  // A sum takes the place of its operand where nobody reads that any more.
  void join() {
    owner_.resize(spec_.tensors.size());
    for (size_t i = 0; i < owner_.size(); ++i) owner_[i] = int64_t(i);
    std::vector<size_t> last(owner_.size(), 0);
    for (size_t i = 0; i < spec_.layers.size(); ++i) {
      for (const int64_t id : tensors(spec_.layers[i])) last[size_t(root_of(spec_, id))] = i;
    }
    for (size_t i = 0; i < spec_.layers.size(); ++i) {
      const Layer& l = spec_.layers[i];
      const bool sums = (l.kind == kConv && l.mode == kToBytes && l.other >= 0) || l.kind == kAdd;
      if (!sums) continue;
      const int64_t a = l.other, y = l.y;
      const bool own =
          spec_.tensors[size_t(a)].parent < 0 && spec_.tensors[size_t(y)].parent < 0 && !sliced(a) && !sliced(y);
      if (own && root_of(spec_, l.x) != a && last[size_t(a)] == i) owner_[size_t(y)] = owner_[size_t(a)];
    }
  }
  bool sliced(int64_t tensor) const {
    for (const Tensor& t : spec_.tensors) {
      if (t.parent == tensor) return true;
    }
    return false;
  }

  const Spec& spec_;
  Plan& plan_;
  int64_t layer_ = 0;
  std::vector<int64_t> owner_;  // whose memory a tensor has
};

}  // namespace

Plan::Plan(const Spec& spec, const std::vector<Shape>& inputs) {
  Planner planner(spec, *this);
  try {
    planner.shapes(inputs);
  } catch (const Error& error) {
    throw Error("layer " + std::to_string(planner.layer()) + ": " + error.what());
  }
  planner.pads();
  planner.chains();
  planner.memory();
}

}  // namespace pyq8::int8
