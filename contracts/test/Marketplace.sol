// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";

/// The least that a marketplace must do: a fixed price, the royalty of ERC-2981 paid first, the seller's part
/// fetched by the seller.
contract Marketplace {
    struct Listing {
        address seller;
        uint256 price;
    }

    IERC721 public immutable collection;
    mapping(uint256 token => Listing) public listings;
    mapping(address seller => uint256) public proceeds;

    error NotListed();
    error WrongPrice();

    constructor(IERC721 collection_) {
        collection = collection_;
    }

    function list(uint256 token, uint256 price) external {
        collection.transferFrom(msg.sender, address(this), token);
        listings[token] = Listing(msg.sender, price);
    }

    function buy(uint256 token) external payable {
        Listing memory listing = listings[token];
        if (listing.seller == address(0)) revert NotListed();
        if (msg.value != listing.price) revert WrongPrice();
        delete listings[token];
        (address receiver, uint256 royalty) = IERC2981(address(collection)).royaltyInfo(token, listing.price);
        proceeds[listing.seller] += listing.price - royalty;
        collection.transferFrom(address(this), msg.sender, token);
        (bool paid,) = receiver.call{value: royalty}("");
        require(paid, "royalty refused");
    }

    function collect() external {
        uint256 amount = proceeds[msg.sender];
        proceeds[msg.sender] = 0;
        (bool paid,) = msg.sender.call{value: amount}("");
        require(paid, "seller refused");
    }
}
